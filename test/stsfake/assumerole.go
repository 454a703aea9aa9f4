package stsfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

const (
	maxTags       = 50
	maxPolicyARNs = 10
	maxChained    = time.Hour
	// maxPacked is the limit, in bytes, of policies and tags and of the whole token. AWS does not publish its limits.
	maxPacked = 4096
)

// session is what a valid AssumeRole request asks for.
type session struct {
	name, sourceIdentity string
	duration             time.Duration
	tags, transitive     map[string]string // of the new session
	packed               int               // bytes of policy and tags
}

// assumeRole checks in the order of STS: the form, the role and its trust policy, then the duration that the role allows.
func (s *Server) assumeRole(c call) (any, error) {
	want, err := parseSession(c, assumeRules)
	if err != nil {
		return nil, err
	}
	mfa, err := s.checkMFA(c)
	if err != nil {
		return nil, err
	}
	roleARN := c.form.Get("RoleArn")
	s.mu.Lock()
	r := s.roles[roleARN]
	s.mu.Unlock()
	if r == nil || !r.allows(c.caller) || r.mfa && !mfa ||
		r.externalID != "" && r.externalID != c.form.Get("ExternalId") {
		return nil, denied(c.caller, "AssumeRole", roleARN)
	}
	if r.noTags && len(want.tags) > 0 {
		return nil, denied(c.caller, "TagSession", roleARN)
	}
	if held := c.caller.sourceIdentity; held != "" {
		if want.sourceIdentity != "" && want.sourceIdentity != held {
			return nil, denied(c.caller, "SetSourceIdentity", roleARN)
		}
		want.sourceIdentity = held
	}
	switch {
	case c.caller.isRole() && want.duration > maxChained:
		return nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case want.duration > r.maxSession:
		return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}

	got := s.issue(&credential{
		arn: r.sessionARN(want.name), principal: roleARN, account: r.arn.AccountID, userID: r.id + ":" + want.name,
		sourceIdentity: want.sourceIdentity, tags: want.tags, transitive: want.transitive,
	}, c.now, want.duration)
	return assumeRoleResult{
		SourceIdentity:   got.sourceIdentity,
		AssumedRoleUser:  assumedRoleUser{AssumedRoleID: got.userID, ARN: got.arn},
		Credentials:      newCredentialsXML(got),
		PackedPolicySize: percent(want.packed),
		tokenSize:        newTokenSize(got),
	}, nil
}

// parseSession checks the form against the limits of the API reference. rules are those of its strings.
func parseSession(c call, rules []textRule) (session, error) {
	form := c.form
	check := checks{form: form}
	for _, rule := range rules {
		check.text(rule, lowerFirst(rule.name))
	}
	seconds := check.seconds(3600, 900, 43200)
	policies := members(form, "PolicyArns", ".arn")
	check.count("policyArns", len(policies), maxPolicyARNs)
	for i, member := range policies {
		check.text(textRule{name: member + ".arn", min: 20, max: 2048}, fmt.Sprintf("policyArns.%d.member.arn", i+1))
	}
	tags := members(form, "Tags", ".Key")
	check.count("tags", len(tags), maxTags)
	for i, member := range tags {
		path := fmt.Sprintf("tags.%d.member.", i+1)
		check.text(textRule{name: member + ".Key", min: 1, max: 128, pattern: tagChars}, path+"key")
		check.text(textRule{name: member + ".Value", max: 256, pattern: tagChars, required: true}, path+"value")
	}
	check.count("transitiveTagKeys", len(members(form, "TransitiveTagKeys", "")), maxTags)
	if err := check.err(); err != nil {
		return session{}, err
	}
	if CheckRoleARN(form.Get("RoleArn")) != nil {
		return session{}, invalid(form.Get("RoleArn") + " is invalid")
	}

	policy := form.Get("Policy")
	if policy != "" && !json.Valid([]byte(policy)) {
		return session{}, Fault{
			Status: http.StatusBadRequest, Code: "MalformedPolicyDocument", Message: "This policy contains invalid Json",
		}
	}
	want := session{
		name: form.Get("RoleSessionName"), sourceIdentity: form.Get("SourceIdentity"),
		duration: time.Duration(seconds) * time.Second, packed: len(policy),
	}
	for _, member := range policies {
		want.packed += len(form.Get(member + ".arn"))
	}
	given := map[string]string{}
	for _, member := range tags {
		key, value := form.Get(member+".Key"), form.Get(member+".Value")
		given[key] = value
		want.packed += len(key) + len(value)
	}
	if want.packed > maxPacked {
		return session{}, Fault{
			Status: http.StatusBadRequest, Code: "PackedPolicyTooLarge",
			Message: fmt.Sprintf("Packed size of session policies and tags consumes %d%% of allotted space.", percent(want.packed)),
		}
	}
	var err error
	if want.transitive, err = passOnTags(c, given, len(tags)); err != nil {
		return session{}, err
	}
	want.tags = maps.Clone(want.transitive)
	maps.Copy(want.tags, given)
	return want, nil
}

// passOnTags returns the transitive tags of the new session: those of the caller's session and those that the request
// names. A request must not repeat an inherited key, nor use keys that differ only by case.
func passOnTags(c call, given map[string]string, n int) (map[string]string, error) {
	folded := map[string]bool{}
	for key := range given {
		folded[strings.ToLower(key)] = true
	}
	if len(folded) != n {
		return nil, badParameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	}
	for key := range c.caller.transitive {
		if folded[strings.ToLower(key)] {
			return nil, badParameter("One of the specified transitive tag keys can't be set because it conflicts with a " +
				"transitive tag key from the calling session.")
		}
	}
	down := maps.Clone(c.caller.transitive)
	if down == nil {
		down = map[string]string{}
	}
	for _, member := range members(c.form, "TransitiveTagKeys", "") {
		key := c.form.Get(member)
		if _, ok := given[key]; !ok {
			return nil, badParameter("The specified transitive tag key must be included in the requested tags.")
		}
		down[key] = given[key]
	}
	return down, nil
}

func badParameter(message string) Fault {
	return Fault{Status: http.StatusBadRequest, Code: "InvalidParameterValue", Message: message}
}
