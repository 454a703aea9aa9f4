package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expressionPrefix starts patterns that are regular expressions.
const expressionPrefix = "re:"

// namespaceName matches a name of a namespace, a DNS label.
const namespaceName = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`

// Expression returns the regular expression (RE2) of a pattern that starts with re:, which must match a whole text. ok is false for
// other patterns. err says what is wrong with the expression.
func Expression(pattern string) (re *regexp.Regexp, ok bool, err error) {
	text, ok := strings.CutPrefix(pattern, expressionPrefix)
	if !ok {
		return nil, false, nil
	}
	if _, err = regexp.Compile(text); err != nil { // alone, so that no parenthesis of it ends the group
		return nil, true, err
	}
	re, err = regexp.Compile(`^(?:` + text + `)$`)
	return re, true, err
}

// MatchPattern matches a text as IAM policies match ARNs: * is any run of characters, ? is one, and the whole text must match (IAM
// user guide, "Policy elements: Resource").
func MatchPattern(pattern, text string) bool {
	star, after := -1, 0 // position of the last * in the pattern, and of the text that it does not take
	p := 0
	for t := 0; t < len(text); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, after = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0: // let the * take one more
			after++
			p, t = star+1, after
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// IsRoleARN reports whether a text is the ARN of a role, with a name that IsRoleName takes. Decisions about pods ask it often, and the
// expression for credentials.iam_role takes three times as long.
func IsRoleARN(text string) bool {
	rest, isARN := strings.CutPrefix(text, "arn:")
	partition, rest, isIAM := strings.Cut(rest, ":iam::")
	account, name, isRole := strings.Cut(rest, ":role/")
	if !isARN || !isIAM || !isRole || len(text) < 20 || len(text) > 2048 || account == "" || strings.Trim(account, "0123456789") != "" {
		return false
	}
	isBad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return partition != "" && partition[0] >= 'a' && strings.IndexFunc(partition, isBad) < 0 && IsRoleName(name)
}

// KeptExternalID starts what the ConfigMap of a cluster has in the place of an external id that the laptop keeps. It is no external id
// that an annotation may give: who can read the ConfigMap would share sessions of pods whose real external id he does not know.
const KeptExternalID = "kept-by-the-laptop:sha256-"

// WrongExternalID says what is wrong with an external id, without the value; "" if nothing is.
func WrongExternalID(value string) string { return externalID(value) }

// WrongSessionName says what is wrong with a session name; "" if nothing is.
func WrongSessionName(value string) string { return check("session name", value) }

// wrongExpression says what is wrong with a pattern that starts with re:; "" for others.
func wrongExpression(pattern string) string {
	_, _, err := Expression(pattern)
	if err == nil {
		return ""
	}
	return quote(pattern) + " is not a regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ") + "; write e.g. re:team-[a-z]+"
}

var namespaceGlob = matches(`[a-z0-9*?-]{1,253}`, "a namespace or a pattern; it has lower-case letters, digits and -, with * and ? for what may differ, or it starts with re:")

// namespacePattern is the rule for keys of kubernetes.rules.namespaces.
func namespacePattern(value string) string {
	if strings.HasPrefix(value, expressionPrefix) {
		return wrongExpression(value)
	}
	return namespaceGlob(value)
}

// IsRoleName reports whether a text is the name of a role, with or without a path before it, as it stands behind role/ in an ARN (IAM
// API reference, CreateRole). Names of dots alone are no names: they have a meaning in paths.
func IsRoleName(text string) bool {
	name := text
	for {
		segment, rest, more := strings.Cut(name, "/")
		if !more {
			break
		}
		if segment == "" || strings.IndexFunc(segment, func(r rune) bool { return r < '!' || r > '~' }) >= 0 {
			return false
		}
		name = rest
	}
	isBad := func(r rune) bool { return !SessionNameText(r) } // IAM has the same characters in names of roles
	return name != "" && len(name) <= 64 && strings.IndexFunc(name, isBad) < 0 && strings.Trim(name, ".") != ""
}

// podRole is the rule for roles that kubernetes.rules gives.
func podRole(value string) string {
	if strings.HasPrefix(value, "arn:") {
		return wholeRoleARN(value)
	}
	if !IsRoleName(value) {
		return quote(value) + " is not a role; write a name of roles, NAME or PATH/NAME of a role in IAM, its ARN, own or none"
	}
	return ""
}

var roleGlob = matches(`[!-~]+`, "a pattern of roles; it has no spaces, and * and ? for what may differ")

// rolePattern is the rule for kubernetes.rules.namespaces[].allow.
func rolePattern(value string) string {
	switch {
	case strings.HasPrefix(value, expressionPrefix+"arn:"):
		return quote(value) + " never matches: an expression sees what follows role/; leave out what comes before that, or write an ARN with * and ?"
	case strings.HasPrefix(value, expressionPrefix):
		return wrongExpression(value)
	case strings.HasPrefix(value, "arn:") && strings.Count(value, ":") < 5 && !strings.Contains(value, "*"):
		return quote(value) + " is not the ARN of a role, with * and ? for what may differ; write e.g. arn:aws:iam::123456789012:role/dev-*"
	case strings.HasPrefix(value, "/"):
		return quote(value) + " starts with /, which no path behind kubernetes.base_role_arn does; remove it"
	}
	return roleGlob(value)
}

// Placeholders returns the names that templates of kubernetes.session may have in braces: of the cluster, the node, and the pod's
// namespace, service account and name.
func Placeholders() []string {
	return []string{"cluster", "node", "namespace", "service_account", "pod"}
}

// SplitTemplate splits a template of kubernetes.session: texts[0], the value of names[0], texts[1], and so on. There is one text
// more than names. ok is false if a brace has no other.
func SplitTemplate(template string) (texts, names []string, ok bool) {
	for {
		text, rest, more := strings.Cut(template, "{")
		if strings.Contains(text, "}") {
			return nil, nil, false
		}
		texts = append(texts, text)
		if !more {
			return texts, names, true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || strings.Contains(name, "{") {
			return nil, nil, false
		}
		names, template = append(names, name), after
	}
}

// SessionNameText reports whether a character may be in a session name.
func SessionNameText(r rune) bool {
	return r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r))
}

// TagValueText reports whether a character may be in the value of a session tag.
func TagValueText(r rune) bool {
	if r < utf8.RuneSelf { // nearly all, and quick
		return r == ' ' || strings.ContainsRune("/:", r) || r != ',' && SessionNameText(r)
	}
	return unicode.In(r, unicode.L, unicode.Z, unicode.N)
}

// template returns the rule for templates of a session name or a tag, whose other text has some characters.
func template(what string, has func(r rune) bool, characters string) rule {
	const example = "; write e.g. {namespace}-{service_account}"
	return func(value string) string {
		texts, names, ok := SplitTemplate(value)
		if !ok {
			return quote(value) + " has a brace without its other one" + example
		}
		for _, name := range names {
			if !slices.Contains(Placeholders(), name) {
				return quote("{"+name+"}") + " is not known in a template of a " + what + "; known are {" + strings.Join(Placeholders(), "} {") + "}"
			}
		}
		for _, t := range texts {
			if strings.IndexFunc(t, func(r rune) bool { return !has(r) }) >= 0 {
				return quote(t) + " cannot be in a " + what + "; it has " + characters
			}
		}
		return ""
	}
}
