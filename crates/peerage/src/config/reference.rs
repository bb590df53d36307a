//! The reference, written from the catalogue: a commented `peerage.toml`, and `CONFIGURATION.md`.

use std::fmt::Write as _;

use super::catalogue::{CHAPTERS, Chapter, Form, Key, Takes};

/// Columns of the comments in the reference.
const COLUMNS: usize = 100;

/// A complete configuration file: what most installations set is set, everything else is shown commented out with its
/// default (or an example where the default is "none").
#[must_use]
pub fn toml() -> String {
    let mut text = String::from(
        "# Peerage: the configuration reference.\n\
         #\n\
         # What is commented out is at its default, or an example of a key that is not set by default.\n\
         # An unknown key or a value out of range is refused. `peerage check` shows what a file does.\n",
    );
    for chapter in CHAPTERS.iter().filter(|chapter| !chapter.form.is_inline()) {
        text.push('\n');
        comment(&mut text, chapter.meaning);
        let header = match chapter.form {
            Form::Tables => format!("[[{}]]", chapter.path),
            Form::Table | Form::OneOf | Form::Inline => format!("[{}]", chapter.path),
        };
        // The exception to the rule is an example too, but one that is safe to have.
        let _ = writeln!(text, "{header}");
        for key in chapter.keys {
            comment(&mut text, &described(key));
            let mark = if key.set { "" } else { "#" };
            let _ = writeln!(text, "{mark}{}", example(key));
        }
        for inline in inline_of(chapter) {
            inline_toml(&mut text, inline);
        }
        text.push_str(more_listeners(chapter));
    }
    text
}

/// `CONFIGURATION.md`, which is this text: regenerate it with `peerage config reference --markdown`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration reference\n\n\
         Written by `peerage config reference --markdown`; a test compares this file with the program.\n\n\
         One TOML file, given with `--config`. Unknown keys, wrong types and values out of range are refused at start, each\n\
         with file, line, key, value and what is allowed; `peerage check` shows all of them at once. Without a file\n\
         `peerage run` uses an embedded configuration on loopback (`peerage run --help`). Relative paths start at the\n\
         directory of the file. SIGHUP reads the file and the certificates again; on any error the old settings stay.\n",
    );
    for chapter in CHAPTERS {
        let title = match chapter.form {
            Form::Table => format!("[{}]", chapter.path),
            Form::Tables => format!("[[{}]]", chapter.path),
            Form::OneOf | Form::Inline => format!("{} = {{ … }}", chapter.path),
        };
        let _ = write!(text, "\n## `{title}`\n\n{}\n\n", chapter.meaning);
        text.push_str("| key | takes | default | meaning |\n| --- | --- | --- | --- |\n");
        for key in chapter.keys {
            let cells =
                [&takes(key), key.default, key.meaning].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(text, "| `{}` | {} |", key.path, cells.join(" | "));
        }
    }
    let _ = write!(text, "\n## Example\n\n```toml\n{}```\n", toml());
    text
}

fn described(key: &Key) -> String {
    format!("{} Takes {}. Default: {}.", key.meaning, takes(key), key.default)
}

fn takes(key: &Key) -> String {
    match key.takes {
        Takes::Integer(..) => format!("an integer, {}", key.takes.allowed()),
        Takes::Size(..) => format!("a size, {}", key.takes.allowed()),
        Takes::Seconds(..) => format!("a duration, {}", key.takes.allowed()),
        Takes::Bool | Takes::Word(_) | Takes::Text(_) | Takes::Secret(_) | Takes::Texts(_) => {
            key.takes.allowed()
        }
    }
}

/// The tables written inside those of `chapter`.
fn inline_of(chapter: &Chapter) -> impl Iterator<Item = &'static Chapter> {
    let path = chapter.path;
    CHAPTERS.iter().filter(move |inline| {
        inline.form.is_inline()
            && inline.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
    })
}

fn inline_toml(text: &mut String, inline: &Chapter) {
    let name = last(inline.path);
    comment(text, inline.meaning);
    if inline.form == Form::OneOf {
        for key in inline.keys {
            let mark = if key.set { "" } else { "#" };
            let _ = writeln!(text, "{mark}{name} = {{ {} }}", example(key));
        }
        return;
    }
    for key in inline.keys {
        comment(text, &format!("{}: {}", last(key.path), described(key)));
    }
    let keys: Vec<String> = inline.keys.iter().map(example).collect();
    let _ = writeln!(text, "#{name} = {{ {} }}", keys.join(", "));
}

fn example(key: &Key) -> String {
    format!("{} = {}", last(key.path), key.example)
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The other two conventional ports.
fn more_listeners(chapter: &Chapter) -> &'static str {
    if chapter.path != "listen" {
        return "";
    }
    "\n[[listen]]\naddress = \"[::]:5270\"\ntls = \"direct\"\n\
     \n[[listen]]\naddress = \"127.0.0.1:5347\"\nkind = \"component\"\n"
}

fn comment(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        if column > 0 && column + word.len() + 1 > COLUMNS {
            text.push('\n');
            column = 0;
        }
        text.push_str(if column == 0 { "# " } else { " " });
        text.push_str(word);
        column += word.len() + 1;
    }
    text.push('\n');
}
