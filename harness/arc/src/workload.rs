//! A container of a chart's Deployment, read as the process that stands for it: its arguments and environment.

use std::collections::BTreeMap;

use serde_json::Value;

/// Arguments and environment of one container. Of values from Secrets only the key is known here: their owner sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// Which key of a Secret is in which variable.
    pub(crate) secrets: BTreeMap<String, String>,
}

impl Container {
    /// The container `name` of the Deployment, with `$(VARIABLE)` expanded
    /// (<https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/>).
    pub(crate) fn of(deployment: &Value, name: &str) -> Option<Container> {
        let namespace = deployment["metadata"]["namespace"].as_str().unwrap_or_default();
        let containers = deployment.pointer("/spec/template/spec/containers")?.as_array()?;
        let container = containers.iter().find(|c| c["name"] == name)?;
        let mut env = BTreeMap::new();
        let mut secrets = BTreeMap::new();
        for variable in container["env"].as_array().into_iter().flatten() {
            let Some(name) = variable["name"].as_str() else {
                continue;
            };
            if let Some(key) = variable
                .pointer("/valueFrom/secretKeyRef/key")
                .and_then(Value::as_str)
            {
                secrets.insert(name.to_owned(), key.to_owned());
            }
            let field = variable
                .pointer("/valueFrom/fieldRef/fieldPath")
                .and_then(Value::as_str);
            let value = match (variable["value"].as_str(), field) {
                (Some(value), _) => value,
                (None, Some("metadata.namespace")) => namespace,
                _ => continue,
            };
            env.insert(name.to_owned(), value.to_owned());
        }
        let args = container["args"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let args = args.map(|arg| expand(arg, &env)).collect();
        Some(Container { args, env, secrets })
    }

    /// Sets `--flag=value`, in place of the chart's if it has one.
    pub(crate) fn flag(mut self, flag: &str, value: &str) -> Container {
        let prefix = format!("{flag}=");
        self.args.retain(|arg| arg != flag && !arg.starts_with(&prefix));
        self.args.push(format!("{prefix}{value}"));
        self
    }

    /// Sets `--switch`.
    pub(crate) fn switch(mut self, switch: &str) -> Container {
        self.args.retain(|arg| arg != switch);
        self.args.push(switch.to_owned());
        self
    }

    /// Removes a switch.
    pub(crate) fn without(mut self, switch: &str) -> Container {
        self.args.retain(|arg| arg != switch);
        self
    }
}

fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    env.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("$({name})"), value)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_arguments_and_environment_of_the_named_container() {
        let deployment = json!({
            "metadata": { "namespace": "cert-manager" },
            "spec": { "template": { "spec": { "containers": [
                { "name": "other", "args": ["--no"] },
                { "name": "controller", "args": ["--v=2", "--namespace=$(POD_NAMESPACE)"], "env": [
                    { "name": "POD_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
                    { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
                ]},
            ]}}},
        });

        let container = Container::of(&deployment, "controller")
            .expect("the container is there")
            .flag("--v", "4");

        assert_eq!(container.args, ["--namespace=cert-manager", "--v=4"]);
        assert_eq!(
            container.env,
            BTreeMap::from([("POD_NAMESPACE".to_owned(), "cert-manager".to_owned())])
        );
        assert_eq!(
            container.secrets,
            BTreeMap::from([("TOKEN".to_owned(), "k".to_owned())])
        );
    }
}
