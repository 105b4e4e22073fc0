"""The pages of a report: a shell that MkDocs renders once, and scripts that fill it from the data.

Nothing of a report passes through the shell, so it is the same for all reports of one version, and
names of files and classes reach a page only as text.
"""

from interpviz.report.site.shell import check_renderer
from interpviz.report.site.writer import write_site

__all__ = ["check_renderer", "write_site"]
