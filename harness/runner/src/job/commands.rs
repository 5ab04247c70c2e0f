//! Workflow commands in the output of a step: `::name key=value::data`.

/// A command, unescaped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) data: String,
}

impl Command {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Reads a line of output; `None` if it is no command.
pub(crate) fn parse(line: &str) -> Option<Command> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        return None;
    }
    let properties = properties
        .split(',')
        .filter_map(|property| property.trim().split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| {
            let value = value.replace("%3A", ":").replace("%2C", ",");
            (key.to_owned(), unescape(&value))
        })
        .collect();
    Some(Command {
        name: name.to_ascii_lowercase(),
        properties,
        data: unescape(data),
    })
}

/// `%25` is last, so that an escaped per cent sign does not start another escape.
fn unescape(text: &str) -> String {
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let command = parse("  ::set-output name=a%3Ab,other=::x%0Ay%250A").expect("this is a command");

        assert_eq!(command.name, "set-output");
        assert_eq!(command.property("NAME"), Some("a:b"));
        assert_eq!(command.property("other"), None);
        assert_eq!(command.data, "x\ny%0A");
    }

    #[test]
    fn other_lines_are_not_commands() {
        for line in [
            "",
            "::",
            ":: ::",
            "a ::error::b",
            "::error",
            "std::vec::Vec",
            "::a.b::c",
        ] {
            assert_eq!(parse(line), None, "{line:?} is no command");
        }
    }

    #[test]
    fn an_empty_command_name_with_data_is_a_command_without_properties() {
        let command = parse("::endgroup::").expect("this is a command");

        assert_eq!(
            command,
            Command {
                name: "endgroup".to_owned(),
                properties: vec![],
                data: String::new()
            }
        );
    }
}
