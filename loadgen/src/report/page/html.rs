//! HTML under construction. Whatever is not a literal of this program is escaped, there is no other way in.

use std::fmt::{Display, Write as _};

/// A piece of HTML, or of SVG within it.
#[derive(Default)]
pub(crate) struct Html {
    out: String,
}

impl Html {
    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Markup of this program's own.
    pub(crate) fn fixed(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// What was written elsewhere.
    pub(crate) fn append(&mut self, other: &Html) {
        self.out.push_str(&other.out);
    }

    /// Text, escaped.
    pub(crate) fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// An element and what `inside` writes. Values of attributes are escaped.
    pub(crate) fn element(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &dyn Display)],
        inside: impl FnOnce(&mut Html),
    ) {
        self.tag(name, attributes);
        self.out.push('>');
        inside(self);
        let _ = write!(self.out, "</{name}>");
    }

    /// An element that holds text only.
    pub(crate) fn words(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &dyn Display)],
        text: &str,
    ) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element that holds nothing.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[(&'static str, &dyn Display)]) {
        self.tag(name, attributes);
        self.out.push_str("/>");
    }

    fn tag(&mut self, name: &'static str, attributes: &[(&'static str, &dyn Display)]) {
        // Writing to a string does not fail.
        let _ = write!(self.out, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.out, " {attribute}=\"");
            escape(&mut self.out, &value.to_string());
            self.out.push('"');
        }
    }
}

/// Safe between tags and between double quotes.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            // HTML has no control characters, and text from outside might turn its direction.
            control if control.is_control() || is_directional(control) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

/// Embeddings, overrides and isolates of the bidirectional algorithm.
fn is_directional(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// Words, aligned left.
    Words(&'a str),
    /// Figures, aligned right.
    Figures(&'a str),
}

/// A table; wide ones scroll by themselves.
pub(crate) fn table(html: &mut Html, columns: &[Column<'_>], rows: &[Vec<String>]) {
    html.element("div", &[("class", &"scroll")], |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for column in columns {
                        let (class, name) = match column {
                            Column::Words(name) => ("words", name),
                            Column::Figures(name) => ("figure", name),
                        };
                        html.words("th", &[("scope", &"col"), ("class", &class)], name);
                    }
                });
            });
            html.element("tbody", &[], |html| rows.iter().for_each(|row| line(html, columns, row)));
        });
    });
}

fn line(html: &mut Html, columns: &[Column<'_>], row: &[String]) {
    html.fixed("<tr>");
    for (column, cell) in columns.iter().zip(row) {
        let class = match column {
            Column::Words(_) => "words",
            Column::Figures(_) => "figure",
        };
        html.words("td", &[("class", &class)], cell);
    }
    html.fixed("</tr>\n");
}

/// Names with what belongs to them.
pub(crate) fn facts(html: &mut Html, facts: &[(&str, String)]) {
    html.element("div", &[("class", &"scroll")], |html| {
        html.element("table", &[("class", &"facts")], |html| {
            for (name, value) in facts {
                html.fixed("<tr>");
                html.words("th", &[("scope", &"row")], name);
                html.words("td", &[], value);
                html.fixed("</tr>\n");
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_become_markup() {
        let mut html = Html::default();
        let evil = "</script><img src=x onerror='alert(\"1\")'>&\u{0}\u{202e}";
        html.words("p", &[("title", &evil)], evil);
        let escaped = "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt;&amp;\u{fffd}\u{fffd}";
        assert_eq!(html.finish(), format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn a_table_aligns_by_column() {
        let mut html = Html::default();
        table(
            &mut html,
            &[Column::Words("name"), Column::Figures("count")],
            &[vec!["a<b".into(), "3".into()]],
        );
        let html = html.finish();
        assert!(
            html.contains("<td class=\"words\">a&lt;b</td><td class=\"figure\">3</td>"),
            "{html}"
        );
        assert!(html.contains("<th scope=\"col\" class=\"figure\">count</th>"), "{html}");
    }
}
