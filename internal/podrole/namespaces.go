package podrole

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// namespaceRule is an entry of kubernetes.rules.namespaces.
type namespaceRule struct {
	key        string
	rule       config.NamespaceRule
	expression *regexp.Regexp // nil without re:
	literal    int            // length of the text before what may differ
	allow      []rolePattern
}

// rolePattern says which roles may be named.
type rolePattern struct {
	text       string
	expression *regexp.Regexp // nil without re:
}

// wildcards are what IAM has for any run of characters and for any one.
const wildcards = "*?"

func newNamespaceRule(key string, rule config.NamespaceRule) *namespaceRule {
	n := &namespaceRule{key: key, rule: rule, literal: len(key)}
	if re, ok, err := config.Expression(key); ok && err == nil {
		n.expression, n.literal = re, literalPrefix(key)
	} else if at := strings.IndexAny(key, wildcards); at >= 0 {
		n.literal = at
	}
	for _, text := range rule.Allow {
		if p, err := newRolePattern(text); err == nil { // the configuration is valid
			n.allow = append(n.allow, p)
		}
	}
	return n
}

// literalPrefix is the length of the text with which all matches of an expression start.
func literalPrefix(key string) int {
	re, err := regexp.Compile(strings.TrimPrefix(key, "re:"))
	if err != nil {
		return 0
	}
	prefix, _ := re.LiteralPrefix()
	return len(prefix)
}

func newRolePattern(text string) (rolePattern, error) {
	re, _, err := config.Expression(text)
	return rolePattern{text: text, expression: re}, err
}

func (n *namespaceRule) isPattern() bool {
	return n.expression != nil || strings.ContainsAny(n.key, wildcards)
}

func (n *namespaceRule) path() string { return "kubernetes.rules.namespaces." + n.key }

func (n *namespaceRule) matches(namespace string) bool {
	if n.expression != nil {
		return n.expression.MatchString(namespace)
	}
	return config.MatchPattern(n.key, namespace)
}

// add adds a rule.
func (r *Rules) add(n *namespaceRule) {
	if n.isPattern() {
		r.patterns = append(r.patterns, n)
	} else {
		r.exact[n.key] = n
	}
}

// compareSpecific orders patterns: the longest literal prefix first, then the longer pattern, so that * is the last.
func compareSpecific(a, b *namespaceRule) int {
	return cmp.Or(b.literal-a.literal, len(b.key)-len(a.key), strings.Compare(a.key, b.key))
}

// namespace returns the most specific rule for a namespace; nil without one.
func (r *Rules) namespace(name string) *namespaceRule {
	if n := r.exact[name]; n != nil {
		return n
	}
	for _, n := range r.patterns {
		if n.matches(name) {
			return n
		}
	}
	return nil
}

// allows reports whether pods of the namespace may name a role.
func (n *namespaceRule) allows(r *Rules, found *role) bool {
	for i := range n.allow {
		if n.allow[i].matches(r, found) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern matches a role. A bare pattern is compared with the name of an entry, and with what stands behind
// the base ARN. A pattern of ARNs is compared with the ARN. An expression is compared with the name of an entry, and with what follows
// role/ in the base ARN's account.
func (p *rolePattern) matches(r *Rules, found *role) bool {
	switch {
	case p.expression != nil:
		rest, ok := behind(found.arn, r.account)
		return ok && p.expression.MatchString(rest) || found.entry != "" && p.expression.MatchString(found.entry)
	case strings.HasPrefix(p.text, "arn:"):
		return found.arn != "" && config.MatchPattern(p.text, found.arn)
	case found.entry != "":
		return config.MatchPattern(p.text, found.entry)
	default:
		rest, ok := behind(found.arn, r.base)
		return ok && config.MatchPattern(p.text, rest)
	}
}

// behind returns what follows a prefix that is not empty.
func behind(arn, prefix string) (rest string, ok bool) {
	if prefix == "" {
		return "", false
	}
	return strings.CutPrefix(arn, prefix)
}

// mostExpression bounds the length of an expression that anybody who can annotate a namespace makes the daemon compile.
const mostExpression = 2048

// permits reports whether an annotation of the namespace allows a role. One whose name ends with /permitted is kiam's: a regular
// expression of the ARN, or of what follows role/ in it. Others are kube2iam's: a JSON list of patterns. wrong follows the source in a
// message.
func (r *Rules) permits(source, value string, found *role) (allowed bool, wrong string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(source, "annotation "), " ")
	if strings.HasSuffix(name, "/permitted") {
		if len(value) > mostExpression {
			return false, "is longer than 2048 characters; shorten it"
		}
		re, _, err := config.Expression("re:" + value)
		if err != nil {
			return false, "is not a regular expression; correct it"
		}
		p := rolePattern{expression: re}
		return re.MatchString(found.arn) && found.arn != "" || p.matches(r, found), ""
	}
	var texts []string
	if err := json.Unmarshal([]byte(value), &texts); err != nil {
		return false, `is not a JSON list of texts; write ["NAME"]`
	}
	for _, text := range texts {
		p, err := newRolePattern(strings.TrimPrefix(text, "/"))
		if err != nil || len(text) > mostExpression {
			return false, "has a pattern that is not a regular expression; correct it"
		}
		if p.matches(r, found) {
			return true, ""
		}
	}
	return false, ""
}
