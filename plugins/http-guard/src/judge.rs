//! From facts and settings to a verdict: every question is asked, the strictest answer stands.

use almoner_plugin_sdk::{
    CallContext, Operation, Reason, Verdict,
    http::{self, Request, name_fits, path_fits},
    judgement::{Action, Judgement},
};

use crate::{PathRule, Settings};

/// Codes and what the gateway says for them. The same words serve denials and requests for approval.
pub(crate) const MESSAGES: &[(&str, &str)] = &[
    ("method", "{method} requests are restricted"),
    ("path", "{method} on {path} is restricted"),
    ("other-path", "no rule names {path}"),
    ("query-required", "the query must have {key}"),
    ("query-denied", "the query must not have {key}"),
    (
        "query-allowed",
        "the query has keys that are not on the list",
    ),
    (
        "query-at-most",
        "{key} in the query must be a number up to {most}",
    ),
    ("header-required", "the header {header} must be there"),
    ("header-denied", "the header {header} must not be there"),
    ("content-type", "the body's type is not on the list"),
    ("body-size", "the body is larger than {most} bytes"),
    ("budget", "the subject has had its {what} of this window"),
    (
        "no-facts",
        "the request could not be judged: no HTTP facts came with it",
    ),
];

pub(crate) fn judge(
    settings: &Settings,
    ctx: &CallContext,
    op: &Operation,
    request: &Request,
) -> Verdict {
    let mut found = Judgement::default();
    let path = &shown(op.targets.first().map_or("/", String::as_str));
    match rule_for(settings, request) {
        Some(rule) => {
            judge_conditions(rule, op, request, &mut found);
            found.add(rule.action, || {
                Reason::new("path")
                    .arg("method", &request.method)
                    .arg("path", path)
            });
        }
        None => {
            found.add(settings.method_action(&request.method), || {
                Reason::new("method").arg("method", &request.method)
            });
            found.add(settings.other_paths.unwrap_or(Action::Allow), || {
                Reason::new("other-path").arg("path", path)
            });
        }
    }
    judge_size(settings.body_bytes_max, request, &mut found);
    judge_budget(settings, ctx, &mut found);
    found.verdict(&settings.hold)
}

/// A template or pattern in the letters that reasons may have: `/Patient/:id`.
fn shown(template: &str) -> String {
    template
        .chars()
        .filter(|c| !matches!(c, '}' | '$' | '*'))
        .map(|c| if c == '{' { ':' } else { c })
        .collect()
}

fn rule_for<'s>(settings: &'s Settings, request: &Request) -> Option<&'s PathRule> {
    settings.paths.iter().find(|rule| {
        let method = rule.methods.is_empty() || rule.methods.contains(&request.method);
        method
            && rule
                .paths
                .iter()
                .any(|path| path_fits(path, &request.segments))
    })
}

fn judge_conditions(rule: &PathRule, op: &Operation, request: &Request, found: &mut Judgement) {
    let has = |key: &String| request.query_keys.contains(key);
    for key in rule.query_required.iter().filter(|key| !has(key)) {
        found.add(Action::Deny, || {
            Reason::new("query-required").arg("key", key)
        });
    }
    for pattern in &rule.query_denied {
        if request.query_keys.iter().any(|key| name_fits(pattern, key)) {
            found.add(Action::Deny, || {
                Reason::new("query-denied").arg("key", shown(pattern))
            });
        }
    }
    if let Some(allowed) = &rule.query_allowed {
        let on_list = |key: &String| allowed.iter().any(|pattern| name_fits(pattern, key));
        if !request.query_keys.iter().all(on_list) {
            found.add(Action::Deny, || Reason::new("query-allowed"));
        }
    }
    for (key, most) in &rule.query_at_most {
        let fits = |value: &str| value.parse::<u64>().is_ok_and(|value| value <= *most);
        if !http::query_values(op, key).all(fits) {
            found.add(Action::Deny, || {
                Reason::new("query-at-most")
                    .arg("key", key)
                    .arg("most", most.to_string())
            });
        }
    }
    for header in &rule.headers_required {
        if !request.headers.contains(header) {
            found.add(Action::Deny, || {
                Reason::new("header-required").arg("header", header)
            });
        }
    }
    for pattern in &rule.headers_denied {
        if request
            .headers
            .iter()
            .any(|header| name_fits(pattern, header))
        {
            found.add(Action::Deny, || {
                Reason::new("header-denied").arg("header", shown(pattern))
            });
        }
    }
    let listed = |media: &String| rule.content_types.contains(media);
    if !rule.content_types.is_empty()
        && request.body_bytes > 0
        && !request.content_type.as_ref().is_some_and(listed)
    {
        found.add(Action::Deny, || Reason::new("content-type"));
    }
    judge_size(rule.body_bytes_max, request, found);
}

fn judge_size(most: u64, request: &Request, found: &mut Judgement) {
    if most > 0 && request.body_bytes > most {
        found.add(Action::Deny, || {
            Reason::new("body-size").arg("most", most.to_string())
        });
    }
}

/// Counted by the gateway up to the request before this one.
fn judge_budget(settings: &Settings, ctx: &CallContext, found: &mut Judgement) {
    let budget = &settings.budget;
    for (what, most, had) in [
        ("requests", budget.requests, ctx.usage.exchanges),
        ("records", budget.records, ctx.usage.rows),
        ("bytes", budget.bytes, ctx.usage.bytes),
    ] {
        if most > 0 && had >= most {
            found.add(budget.action, || Reason::new("budget").arg("what", what));
        }
    }
}
