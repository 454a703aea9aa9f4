package podrole

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

// naive matches by trying each way, as the definition has it: * is any run and ? any one character.
func naive(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return naive(pattern[1:], text) || text != "" && naive(pattern, text[1:])
	default:
		return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) && naive(pattern[1:], text[1:])
	}
}

func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{"", "*", "?", "team-*", "*a*b?c*", "**", "a*?"} {
		f.Add(pattern, "team-a")
		f.Add(pattern, "xabxc")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 24 {
			return // naive takes too long
		}
		if got, want := config.MatchPattern(pattern, text), naive(pattern, text); got != want {
			t.Errorf("%q, %q: got %t, want %t", pattern, text, got, want)
		}
	})
}

var listed = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// Whatever annotations hold: no panic, a name that is safe in a path, and a role that the rules allow.
func FuzzAnnotations(f *testing.F) {
	for _, value := range []string{"", "web", "/web", "path/team-x", "arn:aws:iam::123456789012:role/team-x", "arn:aws:iam::1:role/..", "..", "re:", "*", "\x00", "é/x", "none", "entry"} {
		f.Add(value, "id-1", "name", `["team-*"]`, "team-.*")
	}
	r := New(load(f, `
roles: {entry: {iam_role: 'arn:aws:iam::210987654321:role/e'}}
kubernetes: {enabled: true, rules: {namespace_annotations: true, namespaces: {shop: {allow: ["team-*", entry]}}}, session: {tags: eks}}
`).Config)
	f.Fuzz(func(t *testing.T, role, externalID, session, allowed, permitted string) {
		p := pod(annotations{ours: role, "mock-ec2-metadata/external-id": externalID, "mock-ec2-metadata/session-name": session})
		p.NamespaceAnnotations = annotations{"iam.amazonaws.com/allowed-roles": allowed, "iam.amazonaws.com/permitted": permitted}
		d := r.Pod("node1", p)
		only := r.Deciding(p)
		if diff := cmp.Diff(d, r.Pod("node1", &only)); diff != "" {
			t.Errorf("without what does not decide: %s", diff)
		}
		switch c := d.Credentials; {
		case d.Name == "":
			if c != nil || d.Denied != "" {
				t.Errorf("no name, but %+v", d)
			}
		case !listed.MatchString(d.Name) || strings.Trim(d.Name, ".") == "":
			t.Errorf("listed as %q", d.Name)
		case d.Denied != "":
			if c != nil {
				t.Error("denied, but there are credentials")
			}
		case !strings.HasPrefix(c.IAMRole, "arn:aws:iam::123456789012:role/team-") && d.From != "roles.entry":
			t.Errorf("allowed: %s", c.IAMRole)
		case config.WrongSessionName(c.SessionName) != "" && c.SessionName != "" || config.WrongExternalID(c.ExternalID.Reveal()) != "" && c.ExternalID != "":
			t.Errorf("malformed: %q, %q", c.SessionName, c.ExternalID.Reveal())
		}
	})
}

func FuzzParsePods(f *testing.F) {
	for _, text := range []string{
		"", "kind: Pod\nmetadata: {annotations: {a: b}}\n", "kind: List\nitems: [{kind: Job}]\n---\nkind: Pod", "a: &a {<<: *a}\nkind: Pod", "? [a]\n: b\n", "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {}}}}}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		pods, err := ParsePods(manifest)
		if err == nil && len(pods) == 0 {
			t.Error("neither a pod nor an error")
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("an error of several lines: %q", err)
		}
		for i := range pods {
			if p := &pods[i]; p.Namespace == "" || p.ServiceAccount == "" || p.Kind == "" {
				t.Errorf("got %+v", p)
			}
		}
	})
}
