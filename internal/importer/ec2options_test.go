package importer

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// notesOf are the notes of inputs, whose first is an instance.
func notesOf(t *testing.T, opt Options, contents ...string) (*Instance, []string) {
	t.Helper()
	var inputs []Input
	for _, content := range contents {
		inputs = append(inputs, Input{"in.json", []byte(content)})
	}
	r, err := Read(inputs, opt)
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, n := range r.AllNotes() {
		notes = append(notes, n.String())
	}
	return r.Instances[0], notes
}

func TestKeyPairs_AreThoseOfOpenSSH(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHRgl3mcQGqcTdZ2D3qVLN0bKzZtmcU1yFXsCM7P9dl"
	for _, tt := range []struct {
		name, public string
		lost         bool
	}{
		{"k", key, false},
		{"k", key + " me@host\\n", false},
		{"my key", key, false},
		{"a/b", key, true},
		{"a=b", key, true},
		{"k", "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA", false}, // what the configuration takes
		{"k", "ssh-any AAAAB3NzaC1kc3MAAACBAP", true},
		{"k", "PuTTY-User-Key-File-3", true},
		{"k", key + `\n` + key, true},
	} {
		in, notes := notesOf(t, Options{}, `{"InstanceId": "i-1", "KeyName": "`+tt.name+`"}`, `{"KeyPairs": [{"KeyName": "`+tt.name+`", "PublicKey": "`+tt.public+`"}]}`)
		lost := slices.Contains(notes, "i-1: lost: KeyName: its name or its public key is not as OpenSSH has them")
		if lost != tt.lost || in.has("ec2.key_pairs") == tt.lost {
			t.Errorf("%s %s: %q", tt.name, tt.public, notes)
		}
	}
}

func TestProfile_WithoutARoleGivesNoCredentials(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:instance-profile/web"
	for _, roles := range []string{`[]`, `[{"RoleName": "web"}]`} {
		in, notes := notesOf(t, Options{}, `{"InstanceId": "i-1", "IamInstanceProfile": {"Arn": "`+arn+`"}}`, `{"InstanceProfile": {"Arn": "`+arn+`", "InstanceProfileName": "web", "Roles": `+roles+`}}`)
		if in.Role != "" || !slices.Contains(notes, "i-1: lost: IamInstanceProfile: the profile web has no role, so it gives no credentials") {
			t.Errorf("%s: role %q, %q", roles, in.Role, notes)
		}
	}
}

func TestUserData_IsAtMostWhatEC2Takes(t *testing.T) {
	for size, lost := range map[int]bool{maxUserData: false, maxUserData + 1: true} {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", size)))
		in, notes := notesOf(t, Options{UserData: true}, `{"InstanceId": "i-1"}`, `{"InstanceId": "i-1", "UserData": {"Value": "`+text+`"}}`)
		if got := slices.Contains(notes, "i-1: lost: UserData: 16385 bytes; EC2 takes at most 16384"); got != lost || in.has("ec2.user_data") == lost {
			t.Errorf("%d bytes: %q", size, notes)
		}
	}
}
