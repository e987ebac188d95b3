/* page.h - texts that are built into the program: the styles and the script of `ingot report`, made of inspect/page/.
 */
#ifndef INGOT_PAGE_H
#define INGOT_PAGE_H

/* What kinds of regions look like in SVG and HTML; the second is for a dark ground. */
extern const char page_kinds_css[], page_kinds_dark_css[];

/* With these at their beginning: all of the page's styles, those for a dark ground, and its script. */
extern const char page_light_css[], page_dark_css[], page_js[];

/* The content security policy under which these three, by their hashes, and nothing else take effect. */
extern const char page_policy[];

#endif
