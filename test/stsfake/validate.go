package stsfake

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// textRule is the constraint of a string parameter in the API reference.
type textRule struct {
	name     string         // as in the form
	min, max int            // characters
	pattern  *regexp.Regexp // nil: anything
	required bool
}

func pattern(expr string) *regexp.Regexp { return regexp.MustCompile("^(?:" + expr + ")$") }

var (
	nameChars   = pattern(`[\w+=,.@-]*`)
	tagChars    = pattern(`[\p{L}\p{Z}\p{N}_.:/=+\-@]*`)
	serialRule  = textRule{name: "SerialNumber", min: 9, max: 256, pattern: pattern(`[\w+=/:,.@-]*`)}
	codeRule    = textRule{name: "TokenCode", min: 6, max: 6, pattern: pattern(`[\d]*`)}
	assumeRules = []textRule{
		{name: "RoleArn", min: 20, max: 2048, required: true},
		{name: "RoleSessionName", min: 2, max: 64, pattern: nameChars, required: true},
		{name: "ExternalId", min: 2, max: 1224, pattern: pattern(`[\w+=,.@:\/-]*`)},
		{name: "SourceIdentity", min: 2, max: 64, pattern: nameChars},
		{name: "Policy", min: 1, max: 2048},
		serialRule, codeRule,
	}
)

// checks collects all problems of a form for one answer.
type checks struct {
	form     url.Values
	problems []string
}

func (c *checks) add(field, value, constraint string) {
	c.problems = append(c.problems,
		fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, field, constraint))
}

// text checks the form's value for rule.name. Messages name the field by path.
func (c *checks) text(rule textRule, path string) {
	values, given := c.form[rule.name]
	if !given {
		if rule.required {
			c.add(path, "null", "Member must not be null")
		}
		return
	}
	quoted := "'" + values[0] + "'"
	if rule.pattern != nil && !rule.pattern.MatchString(values[0]) {
		expr := strings.TrimSuffix(strings.TrimPrefix(rule.pattern.String(), "^(?:"), ")$")
		c.add(path, quoted, "Member must satisfy regular expression pattern: "+expr)
	}
	switch n := utf8.RuneCountInString(values[0]); {
	case n < rule.min:
		c.add(path, quoted, fmt.Sprintf("Member must have length greater than or equal to %d", rule.min))
	case n > rule.max:
		c.add(path, quoted, fmt.Sprintf("Member must have length less than or equal to %d", rule.max))
	}
}

// seconds reads DurationSeconds, which must be between min and max.
func (c *checks) seconds(fallback, min, max int) int {
	value := c.form.Get("DurationSeconds")
	if !c.form.Has("DurationSeconds") {
		return fallback
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		c.add("durationSeconds", "'"+value+"'", "Member must be an integer")
	case n < min:
		c.add("durationSeconds", "'"+value+"'", fmt.Sprintf("Member must have value greater than or equal to %d", min))
	case n > max:
		c.add("durationSeconds", "'"+value+"'", fmt.Sprintf("Member must have value less than or equal to %d", max))
	}
	return n
}

// count checks the length of a list.
func (c *checks) count(path string, n, max int) {
	if n > max {
		c.add(path, fmt.Sprintf("'[%d members]'", n), fmt.Sprintf("Member must have length less than or equal to %d", max))
	}
}

// err returns a ValidationError with all problems, or nil.
func (c *checks) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	plural := ""
	if len(c.problems) > 1 {
		plural = "s"
	}
	return invalid(fmt.Sprintf("%d validation error%s detected: %s",
		len(c.problems), plural, strings.Join(c.problems, "; ")))
}

func invalid(message string) Fault {
	return Fault{Status: http.StatusBadRequest, Code: "ValidationError", Message: message}
}

// lowerFirst turns the name of a parameter into the one of messages: RoleArn into roleArn.
func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// members lists the names prefix.member.N, from 1 up to the first that the form does not have.
func members(form url.Values, prefix, suffix string) []string {
	var found []string
	for i := 1; form.Has(prefix + ".member." + strconv.Itoa(i) + suffix); i++ {
		found = append(found, prefix+".member."+strconv.Itoa(i))
	}
	return found
}
