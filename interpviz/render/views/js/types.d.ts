/** Put in front of the scripts by Python. */
declare const DIGEST: string;
declare const STYLE: string;

/** Where scripts beside a page leave their parts, by their address. */
interface Window {
  interpvizParts?: Record<string, Record<string, string>>;
  interpviz?: Record<string, () => void>;
}

interface HTMLElement {
  /** What a view shows, for tests and for other scripts of the page. */
  interpviz?: { read: () => object };
}

/** What a view has to draw on. */
interface Stage {
  host: HTMLElement;
  root: HTMLElement;
  theme: Theme;
  /** Tells screen readers something, once it has settled. */
  say: (text: string) => void;
}

interface Theme {
  /** Held here, so that it lives as long as the view does. */
  look: () => void;
  /** The value of a CSS variable such as "--ink". */
  colour: (name: string) => string;
  onChange: (act: () => void) => void;
}

/** By the name that Python calls a view: puts it on the stage, gives what reads it. */
type Views = Record<string, (stage: Stage, payload: any) => () => object>;

/** Texts by column and number, as a table of bytes. */
interface Small {
  shape: [number, number];
  data: string;
}

interface LayerData {
  name: string;
  /** Among the layers of the model; its place in the view is another one where not all are shown. */
  number: number;
  kind: number;
  heads: number[];
  shape: [number, number];
  offset: number | null;
  scales: [number, number][];
  small: Small;
  data?: string[];
  files?: string[];
  entropy?: (number | null)[];
  pattern?: string[];
  score?: (number | null)[];
}

interface KindData {
  label: string;
  queries: number;
  keys: number;
  grows: boolean;
}

interface AttentionData {
  title: string;
  texts: { tokens: string[]; special: number[] }[];
  kinds: KindData[];
  layers: LayerData[];
  steps: number | null;
  start: [number, number];
}

/** What one head gives away under the settings, over the tokens that are shown. */
interface Grid {
  values: Float32Array;
  rows: number;
  columns: number;
  top: number;
}

/** A place under the pointer or the keyboard: shown tokens by position, -1 where there is none. */
interface Spot {
  query: number;
  key: number;
}

interface Link extends Spot {
  weight: number;
  slot: number;
}

interface AttentionState {
  data: AttentionData;
  layer: number;
  head: number;
  /** The heads whose links are drawn, by the slot of their colour; -1 where one is free. */
  slots: number[];
  /** The weights of these heads, as far as they have come. */
  grids: (Grid | undefined)[];
  compare: boolean;
  strongest: number;
  threshold: number;
  special: boolean;
  log: boolean;
  rows: number;
  /** Where the reader is, and where to go back to when the pointer leaves. */
  at: Spot;
  kept: Spot;
  /** The tokens that are shown, by their positions in the text. */
  queries: number[];
  keys: number[];
}

/** A part of a view that draws itself from the state. */
interface Part {
  element: HTMLElement;
  /** Draws all anew. */
  draw: () => void;
  /** Draws what changes with the pointer. */
  mark?: () => void;
  /** Draws what changes with the width. */
  resize?: () => void;
}

interface AttentionActions {
  /** Shows a head; adds or removes it where several are compared. */
  choose: (layer: number, head: number) => void;
  change: (settings: Partial<AttentionState>) => void;
  /** Moves to a place for as long as the pointer is there; without one, back. */
  hover: (spot?: Spot) => void;
  keep: (spot: Spot) => void;
}

interface CamData {
  title: string;
  alt: string;
  photo: string;
  /** Width and height at which the photo is shown where there is room. */
  size: [number, number];
  ramp: string;
  signed: boolean;
  shared: boolean;
  opacity: number;
  classes: string[];
  methods: { name: string; shape: [number, number]; maps: string[]; steps: number[] }[];
}

/** A class and a method by their places. */
interface CamPick {
  of: number;
  method: number;
}

interface CamMap {
  values: Float32Array;
  size: [number, number];
  peak: number;
  /** The value of the last colour. */
  top: number;
}

/** A place on the photo, as shares of its width and height. */
interface CamSpot {
  x: number;
  y: number;
}

interface CamState {
  data: CamData;
  /** The map that is shown or lies left, and the one on the right. */
  picks: CamPick[];
  maps: CamMap[];
  compare: boolean;
  /** Where the divider stands, in percent of the width. */
  split: number;
  opacity: number;
  shared: boolean;
  at: CamSpot | undefined;
  kept: CamSpot | undefined;
}

interface CamActions {
  /** Takes settings that change colours. */
  draw: (settings: Partial<CamState>) => void;
  /** Takes settings that do not. */
  mark: (settings: Partial<CamState>) => void;
  hover: (spot?: CamSpot) => void;
  keep: (spot?: CamSpot) => void;
}
