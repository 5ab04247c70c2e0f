//! Expansion of `strategy.matrix` (GitHub's documentation on matrices): the product of the vectors in the file's
//! order, less what `exclude` names, with what `include` adds to it or appends.

use harness_expressions::Value;
use serde_json::{Map, Value as Json};

/// One job of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leg {
    /// The `matrix` context.
    pub(super) values: Map<String, Json>,
    /// The scalars that GitHub puts in parentheses behind the job's name: not those that `include` added.
    pub(super) segments: Vec<String>,
}

/// Expands an evaluated matrix.
///
/// # Errors
/// What is expected in place of what was found.
pub(super) fn expand(matrix: &Json) -> Result<Vec<Leg>, &'static str> {
    let matrix = matrix.as_object().ok_or("a mapping")?;
    let list = |name| match matrix.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) => items
            .iter()
            .map(|item| item.as_object().filter(|item| !item.is_empty()).ok_or(ITEM))
            .collect::<Result<Vec<_>, _>>(),
        Some(_) => Err("a mapping whose `include` and `exclude` are lists"),
    };
    let (include, exclude) = (list("include")?, list("exclude")?);
    let vectors = matrix
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "include" | "exclude"))
        .map(|(name, values)| match values.as_array() {
            Some(values) if !values.is_empty() => Ok((name, values)),
            _ => Err("a mapping of lists that have at least one value"),
        })
        .collect::<Result<Vec<_>, _>>()?;

    let mut legs = product(&vectors);
    legs.retain(|leg| !exclude.iter().any(|entry| fits(entry, leg)));
    let mut legs: Vec<Leg> = legs.into_iter().map(Leg::new).collect();
    let mut appended = Vec::new();
    for entry in include {
        let (filter, extra): (Map<_, _>, Map<_, _>) = entry
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .partition(|(name, _)| vectors.iter().any(|(vector, _)| *vector == name));
        let mut is_matched = false;
        for leg in legs.iter_mut().filter(|leg| fits(&filter, &leg.values)) {
            leg.values.extend(extra.clone());
            is_matched = true;
        }
        if !is_matched {
            appended.push(Leg::new(filter.into_iter().chain(extra).collect()));
        }
    }
    legs.extend(appended);
    if legs.is_empty() {
        Err("a matrix that yields at least one job")
    } else {
        Ok(legs)
    }
}

const ITEM: &str = "a mapping whose `include` and `exclude` hold mappings that are not empty";

impl Leg {
    fn new(values: Map<String, Json>) -> Self {
        let mut segments = Vec::new();
        values.values().for_each(|value| collect(value, &mut segments));
        Self { values, segments }
    }
}

/// The first vector turns slowest.
fn product(vectors: &[(&String, &Vec<Json>)]) -> Vec<Map<String, Json>> {
    if vectors.is_empty() {
        return Vec::new();
    }
    vectors.iter().fold(vec![Map::new()], |legs, (name, values)| {
        legs.iter()
            .flat_map(|leg| {
                values.iter().map(move |value| {
                    let mut leg = leg.clone();
                    leg.insert((*name).clone(), value.clone());
                    leg
                })
            })
            .collect()
    })
}

/// Whether all that the filter names is so in the leg; of nested mappings only what is named counts.
fn fits(filter: &Map<String, Json>, leg: &Map<String, Json>) -> bool {
    filter
        .iter()
        .all(|(name, wanted)| leg.get(name).is_some_and(|value| matches(wanted, value)))
}

fn matches(wanted: &Json, value: &Json) -> bool {
    match (wanted, value) {
        (Json::Object(wanted), Json::Object(value)) => fits(wanted, value),
        (Json::Array(wanted), Json::Array(values)) => {
            wanted.len() == values.len()
                && wanted
                    .iter()
                    .zip(values)
                    .all(|(wanted, value)| matches(wanted, value))
        }
        (wanted, value) => Value::from(wanted.clone()).loosely_equals(&Value::from(value.clone())),
    }
}

fn collect(value: &Json, segments: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect(item, segments)),
        Json::Object(object) => object.values().for_each(|item| collect(item, segments)),
        scalar => {
            let text = Value::from(scalar.clone()).to_string();
            if !text.is_empty() {
                segments.push(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(matrix: &Json) -> Vec<Json> {
        let legs = expand(matrix).expect("the matrix is valid");
        legs.into_iter().map(|leg| Json::Object(leg.values)).collect()
    }

    #[test]
    fn the_documented_example_of_include_expands_as_documented() {
        let matrix = json!({
            "fruit": ["apple", "pear"],
            "animal": ["cat", "dog"],
            "include": [
                {"color": "green"},
                {"color": "pink", "animal": "cat"},
                {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"},
            ],
        });

        let legs = values(&matrix);

        let expected = vec![
            json!({"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"}),
            json!({"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"}),
            json!({"fruit": "pear", "animal": "cat", "color": "pink"}),
            json!({"fruit": "pear", "animal": "dog", "color": "green"}),
            json!({"fruit": "banana"}),
            json!({"fruit": "banana", "animal": "cat"}),
        ];
        assert_eq!(legs, expected);
    }

    #[test]
    fn exclude_takes_out_what_it_names_partly() {
        let matrix = json!({"os": ["linux", "mac"], "node": [{"v": 14, "x": 1}, {"v": 16, "x": 1}],
            "exclude": [{"os": "mac", "node": {"v": 16}}]});

        let legs = expand(&matrix).expect("the matrix is valid");

        let segments: Vec<_> = legs.iter().map(|leg| leg.segments.join(", ")).collect();
        assert_eq!(segments, ["linux, 14, 1", "linux, 16, 1", "mac, 14, 1"]);
    }

    #[test]
    fn include_alone_makes_jobs_and_its_additions_are_not_in_names() {
        let alone = expand(&json!({"include": [{"a": 1, "b": true}]})).expect("the matrix is valid");
        let added =
            expand(&json!({"a": [1, 2], "include": [{"a": 1, "b": true}]})).expect("the matrix is valid");

        assert_eq!(alone[0].segments, ["1", "true"]);
        assert_eq!(added[0].segments, ["1"]);
        assert_eq!(added[0].values["b"], json!(true));
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        for wrong in [
            json!([1]),
            json!({"a": []}),
            json!({"a": 1}),
            json!({"a": [1], "include": 3}),
            json!({"a": [1], "exclude": [{}]}),
            json!({"a": [1], "exclude": [{"a": 1}]}),
            json!({}),
        ] {
            assert!(expand(&wrong).is_err(), "{wrong} must be refused");
        }
    }

    proptest! {
        #[test]
        fn every_leg_has_a_value_of_each_vector_and_no_two_are_alike(
            sizes in prop::collection::vec(1_usize..4, 1..4),
        ) {
            let matrix: Map<String, Json> = sizes
                .iter()
                .enumerate()
                .map(|(index, size)| (format!("v{index}"), json!((0..*size).collect::<Vec<_>>())))
                .collect();

            let legs = values(&Json::Object(matrix.clone()));

            prop_assert_eq!(legs.len(), sizes.iter().product::<usize>());
            for (index, leg) in legs.iter().enumerate() {
                prop_assert!(!legs[..index].contains(leg));
                prop_assert!(matrix.iter().all(|(name, all)| all.as_array().is_some_and(|all| all.contains(&leg[name]))));
            }
        }
    }
}
