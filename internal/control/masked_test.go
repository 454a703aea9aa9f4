package control

import (
	"encoding/json"
	"testing"

	"mock-ec2-metadata/internal/api"
)

func TestMask_LeavesWhatIsNoTextOfTheUser(t *testing.T) {
	for _, tt := range []struct{ name, spec, want string }{
		{"a restart", `{"restart":true,"user_data":"secret"}`, `{"restart":true,"user_data":"[redacted]"}`},
		{"a restart with the old user data", `{"restart":true}`, `{"restart":true}`},
		{"set", `{"set":{"meta-data/a":"x","user-data":"y"},"unset":["meta-data/b"]}`, `{"set":{"meta-data/a":"[folded]","user-data":"[folded]"},"unset":["meta-data/b"]}`},
		{"tags", `{"tags":{"set":{"Name":"blue"}}}`, `{"tags":{"set":{"Name":"blue"}}}`},
		{"none", ``, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mask(api.Event{ID: "e", Spec: json.RawMessage(tt.spec)}); string(got.Spec) != tt.want || got.ID != "e" {
				t.Errorf("got %s", got.Spec)
			}
		})
	}
}
