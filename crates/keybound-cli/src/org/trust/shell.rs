//! Settings in the words of a shell, with every path quoted by its rules.

use std::fmt::Write as _;

use clap::ValueEnum;

use super::program::{Advice, Program, Variable};

/// A shell that settings are printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// sh, bash, zsh and all that are alike.
    Sh,
    Fish,
    Powershell,
}

impl Shell {
    /// What to run: comments, and a command for each setting. What several programs need is set once.
    pub(super) fn script(self, advice: &[(Program, Advice)]) -> String {
        let mut script = String::new();
        let mut set = Vec::new();
        for (program, advice) in advice {
            // Writing to a string does not fail.
            let _ = writeln!(script, "# {}", program.name());
            for note in &advice.notes {
                let _ = writeln!(script, "#   {note}");
            }
            for command in &advice.by_hand {
                let _ = writeln!(script, "#   {}", self.command(command));
            }
            if let Some((file, command)) = &advice.makes {
                let _ = writeln!(script, "{}", self.unless_there(file, command));
            }
            for variable in &advice.variables {
                if !set.contains(&variable.name) {
                    set.push(variable.name);
                    let _ = writeln!(script, "{}", self.setting(variable));
                }
            }
        }
        script.trim_end().to_owned()
    }

    fn setting(self, variable: &Variable) -> String {
        let (name, value) = (variable.name, self.quoted(&variable.value));
        match (self, variable.is_appended) {
            (Self::Sh, false) => format!("export {name}={value}"),
            (Self::Sh, true) => format!("export {name}=\"${{{name}:+${name} }}\"{value}"),
            (Self::Fish, false) => format!("set -gx {name} {value}"),
            (Self::Fish, true) => format!("set -gx {name} \"${name} \"{value}"),
            (Self::Powershell, false) => format!("$env:{name} = {value}"),
            (Self::Powershell, true) => format!("$env:{name} = \"$env:{name} \" + {value}"),
        }
    }

    fn unless_there(self, file: &str, command: &[String]) -> String {
        let (file, command) = (self.quoted(file), self.command(command));
        match self {
            Self::Sh => format!("test -f {file} || {command}"),
            Self::Fish => format!("test -f {file}; or {command}"),
            Self::Powershell => format!("if (-not (Test-Path -LiteralPath {file})) {{ {command} }}"),
        }
    }

    fn command(self, words: &[String]) -> String {
        words.iter().map(|word| self.word(word)).collect::<Vec<_>>().join(" ")
    }

    /// A word of a command; what is plain needs no quotes. PowerShell makes a list of what has commas.
    fn word(self, word: &str) -> String {
        let signs = if self == Self::Powershell { "-_./:=" } else { "-_./:=," };
        let plain = |character: char| character.is_ascii_alphanumeric() || signs.contains(character);
        if word.chars().all(plain) { word.to_owned() } else { self.quoted(word) }
    }

    /// One text, in which nothing has a meaning to the shell.
    fn quoted(self, text: &str) -> String {
        let inner = match self {
            Self::Sh => text.replace('\'', r"'\''"),
            Self::Fish => text.replace('\\', r"\\").replace('\'', r"\'"),
            // Those that typographers use end a text there as well.
            Self::Powershell => text.chars().fold(String::new(), |mut quoted, character| {
                if matches!(character, '\'' | '\u{2018}'..='\u{201B}') {
                    quoted.push(character);
                }
                quoted.push(character);
                quoted
            }),
        };
        format!("'{inner}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_has_a_meaning_to_the_shell() {
        use Shell::{Fish, Powershell, Sh};
        for (shell, text, expected) in [
            (Sh, "/a b/$HOME`x`\"", "'/a b/$HOME`x`\"'"),
            (Sh, "/it's", r"'/it'\''s'"),
            (Sh, r"/a\b", r"'/a\b'"),
            (Fish, "/it's", r"'/it\'s'"),
            (Fish, r"/a\b", r"'/a\\b'"),
            (Powershell, "C:\\it's $x", "'C:\\it''s $x'"),
            (Powershell, "/\u{2019}", "'/\u{2019}\u{2019}'"),
        ] {
            assert_eq!(shell.quoted(text), expected, "{shell:?}");
        }
        for (shell, expected) in [(Sh, "C,,"), (Fish, "C,,"), (Powershell, "'C,,'")] {
            assert_eq!(shell.word("C,,"), expected, "{shell:?}");
        }
    }
}
