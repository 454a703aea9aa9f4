package importer

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOwn_ConfigurationIsPrintedAsItIs(t *testing.T) {
	const flask = `credentials:
  source_profile: default
  iam_role: "arn:aws:iam::012345678901:role/web"
aws:
  account_id: 012345678901
  region: ap-southeast-2
ec2:
  local_ipv4: 10.0.0.10
  tags: {Name: "no"}
`
	got, notes := importYAML(t, Options{}, Input{Name: "f", Content: []byte(flask)})
	const want = `credentials:
  source_profile: default
  iam_role: arn:aws:iam::012345678901:role/web
aws:
  account_id: "012345678901"
  region: ap-southeast-2
ec2:
  local_ipv4: 10.0.0.10
  tags:
    Name: "no"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if note := "note: f: it is a configuration already, and works unchanged: serve --config FILE"; !slices.Contains(notes, note) {
		t.Errorf("no note %q, but %q", note, notes)
	}
	_, err := Read([]Input{{Name: "a", Content: []byte(flask)}, {Name: "b", Content: []byte(flask)}}, Options{})
	if want := "a: a configuration of mock-ec2-metadata is imported alone; it works unchanged: serve --config a"; errText(err) != want {
		t.Errorf("got %s", errText(err))
	}
}

func TestOwn_SecretsAreNotPrintedButInUserData(t *testing.T) {
	const secret = "AKIA" + "IOSFODNN7EXAMPLE"
	got, notes := importYAML(t, Options{}, Input{Name: "f", Content: []byte(`
ec2: {user_data: "id: ` + secret + `", tags: {Name: ` + secret + `, Owner: me}, product_codes: [` + secret + `]}
metadata: {meta-data/x: null, ` + secret + `: 1}
clients: [{from: [10.0.0.1], ec2: {tags: {Name: ` + secret + `}}}]
roles: {` + secret + `: {mock: true}}
`)})
	const want = `ec2:
  tags:
    Owner: me
  user_data: "id: ` + secret + `"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, note := range []string{"lost: clients: looks like a secret", "lost: ec2.product_codes: looks like a secret", "lost: metadata.[redacted]: looks like a secret"} {
		if !slices.Contains(notes, note) {
			t.Errorf("no note %q, but %q", note, notes)
		}
	}
}
