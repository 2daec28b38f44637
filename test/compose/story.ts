/** Something that the mesh is seen to do, with real containers. */
export interface Story {
  readonly name: string;
  /** Left out of the short form. */
  readonly full?: true;
  /** Throws when it is not so. Gives a few words for the report, or ''. */
  tell(): Promise<string>;
}
