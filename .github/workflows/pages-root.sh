#!/usr/bin/env bash
# What lies at the root of the published pages, beside the folders of the versions: the page that is
# shown for an address that does not exist, and the plain text for language models.
set -euo pipefail

folder=$(mktemp -d)
trap 'git worktree remove --force "$folder"' EXIT
git worktree add --force "$folder" gh-pages
for name in 404.html llms.txt llms-full.txt; do
  if [ -f "$folder/latest/$name" ]; then cp -L "$folder/latest/$name" "$folder/$name"; fi
done
git -C "$folder" add --all
git -C "$folder" diff --cached --quiet || git -C "$folder" commit --quiet -m "Files at the root"
