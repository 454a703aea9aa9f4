package importer

import (
	"strings"
	"testing"
)

// Secrets of the tests are invented, and in two parts, so that programs that look for leaked ones leave them alone.
const (
	madeUpID     = "AKIA" + "IOSFODNN7EXAMPLE"
	madeUpSecret = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
)

func TestTags_ThatLookLikeSecretsAreLost(t *testing.T) {
	tests := []struct {
		name, value string
		lost        bool
	}{
		{"Name", madeUpID, true},
		{"Name", "ASIA" + madeUpID[4:], true},
		{"Name", "AIDA" + madeUpID[4:], false}, // the id of a user is none
		{"Name", "x" + madeUpID + "y", true},
		{"Name", madeUpID[:19], false},
		{madeUpID, "x", true},
		{"Name", madeUpSecret, true},
		{"Name", madeUpSecret[1:], false},
		{"Name", "da39a3ee5e6b4b0d3255bfef95601890afd80709", false}, // a hash
		{"Name", strings.Repeat("ab", 20), false},
		{"Name", "aws_secret_access_key = " + madeUpSecret, true},
		{"Name", `{"SecretAccessKey" : "x"}`, true},
		{"Name", "<SecretAccessKey>x</SecretAccessKey>", true},
		{"Name", "AWS_SESSION_TOKEN=x", true},
		{"Name", "session affinity: on", false},
		{"Name", "IQoJb3JpZ2lu" + strings.Repeat("A", 64), true},
		{"Name", "-----BEGIN RSA PRIVATE KEY-----\nx", true},
		{"Name", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx", true},
		{"Name", "-----BEGIN PUBLIC KEY-----\nx", false},
		{"password", "x", true},
		{"DB_PASSWORD", "x", true},
		{"mysql-root-password", "x", true},
		{"adminPasswd", "x", true},
		{"api-key", "x", true},
		{"app:secret.key", "x", true},
		{"aws_secret_access_key", "x", true},
		{"SessionToken", "x", true},
		{"PasswordPolicy", "strict", false},
		{"needs-password", "false", false},
		{"password", "", false},
		{"secret", "the name of one in Secrets Manager", false},
		{"Owner", "key", false},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.value, func(t *testing.T) {
			in := &Instance{ID: "i-1"}
			in.setAt(tt.value, "ec2", "tags", tt.name)
			want := "i-1: lost: " + redact("ec2.tags."+tt.name+": looks like a secret")
			switch {
			case !tt.lost && (len(in.Keys) != 1 || len(in.Notes) != 0):
				t.Errorf("%v, %v", in.Keys, in.Notes)
			case tt.lost && (len(in.Keys) != 0 || len(in.Notes) != 1 || in.Notes[0].String() != want):
				t.Errorf("%v, %v, want %s", in.Keys, in.Notes, want)
			}
		})
	}
}

// TestSetNode_LooksIntoLists has the places of texts that are no tags. A name there may be anything.
func TestSetNode_LooksIntoLists(t *testing.T) {
	in := &Instance{ID: "i-1"}
	in.setList("ec2.security_groups", []string{"web", madeUpID})
	in.setNode(nodeOf([]any{map[string]any{"ec2": map[string]any{"image_id": madeUpID}}}), "clients")
	in.setNode(nodeOf([]any{map[string]any{madeUpID: true}}), "events")
	in.set("ec2.hostname", madeUpID+".example")
	if len(in.Keys) != 0 || len(in.Notes) != 4 {
		t.Errorf("%v, %v", in.Keys, in.Notes)
	}
	in.set("ec2.instance_id", madeUpSecret) // 40 characters of a name are no secret
	in.setNode(textNode(madeUpID), "ec2", "user_data")
	in.setNode(textNode(madeUpID), "ec2", "user_data_base64")
	if len(in.Keys) != 3 {
		t.Errorf("%v", in.Keys)
	}
}

func TestGuess_CommentTellsNoSecret(t *testing.T) {
	in := &Instance{ID: "i-1"}
	in.set("ec2.vpc_id", "vpc-1")
	in.guess("networks", "around\n"+madeUpID, "ec2.vpc_id")
	if got := in.Keys[0].Value.LineComment; got != "guessed: around [redacted]" {
		t.Error(got)
	}
}

func TestRead_ErrorsAreOneLineWithoutSecrets(t *testing.T) {
	for content, want := range map[string]string{
		`{"a\nmock-ec2-metadata: all is well\r": 1}`:                                                   "in.json: not known by its keys a mock-ec2-metadata: all is well ; name its kind by --as " + strings.Join(Kinds(), "|"),
		`[{"InstanceId": "` + madeUpID + `\n"}, {"InstanceId": "` + madeUpID + `\n", "ImageId": "x"}]`: "[redacted] : is there twice, and differs; leave one out",
	} {
		if _, err := written(t, Options{}, content); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestRead_IdentityThatLooksLikeASecretIsTakenAway(t *testing.T) {
	content := `{"InstanceId": "` + madeUpID + `", "PrivateIpAddress": "` + madeUpID + `", "Ipv6Address": "2001:db8::1",
		"IamInstanceProfile": {"Arn": "arn:aws:iam::123456789012:instance-profile/` + madeUpID + `"}}`
	r, err := Read([]Input{{"in.json", []byte(content)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := r.Instances[0]
	if in.ID != "an instance" || in.Role != "" || in.RoleARN != "" || len(in.Addresses) != 1 || in.Addresses[0] != "2001:db8::1" {
		t.Errorf("id %s, role %s %s, addresses %v", in.ID, in.Role, in.RoleARN, in.Addresses)
	}
	var notes []string
	for _, n := range r.AllNotes() {
		notes = append(notes, n.String())
	}
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "lost: role: looks like a secret") || strings.Contains(all, madeUpID) {
		t.Error(all)
	}
}
