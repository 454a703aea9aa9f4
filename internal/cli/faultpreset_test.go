package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/fault"
)

func TestFaultPreset_WithoutNameListsThem(t *testing.T) {
	d := startFake(t, nil)
	got := run(t, "fault", "preset")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if got.code != 0 || got.stderr != "" || len(lines) != 7 || lines[0] != "NAME         SUMMARY" {
		t.Fatalf("%+v", got)
	}
	for i, p := range fault.Presets() {
		if want := fmt.Sprintf("%-11s  %s", p.Name, p.Summary); lines[i+1] != want {
			t.Errorf("%q, want %q", lines[i+1], want)
		}
	}
	d.wantCalls(t)
}

func TestFaultPreset_AddsTheFaultsAndPrintsThem(t *testing.T) {
	body := func(name string) string {
		return string(config.JSON(&presetNamed(fault.Presets(), name).Faults[0]))
	}
	d := startFake(t, map[string][]fakeAnswer{
		"PUT /v1/faults/hop-limit": once(http.StatusCreated, `{"id": "hop-limit", "match": {"paths": ["api/token"], "methods": ["PUT"]}, "dose": {},
			"effect": {"token_lost": true}, "hits": 0, "created_at": "2026-11-29T12:00:00Z", "expires_at": null}`),
	})
	run(t, "fault", "preset", "hop-limit").wants(t, ran{stdout: "hop-limit token lost for PUT api/token, always\n"})
	d.wantCalls(t, "PUT /v1/faults/hop-limit "+body("hop-limit"))
	if got := run(t, "fault", "preset", "hop-limit", "--json"); got.code != 0 || !strings.HasPrefix(got.stdout, "{\n  \"faults\": [\n") {
		t.Errorf("%+v", got)
	}
}

func TestFaultPreset_UnknownNameExits2(t *testing.T) {
	d := startFake(t, nil)
	const help = "\nmock-ec2-metadata fault preset --help shows the commands and flags.\n"
	run(t, "fault", "preset", "flood").wants(t, ran{
		code:   exitUsage,
		stderr: `mock-ec2-metadata: fault preset: "flood" is not a preset; write one of hop-limit, throttled, outage, expired, token-storm, slow` + help,
	})
	run(t, "fault", "preset", "slow", "outage").wants(t, ran{
		code:   exitUsage,
		stderr: `mock-ec2-metadata: fault preset: the argument "outage" is too many; write for example: mock-ec2-metadata fault preset throttled` + help,
	})
	d.wantCalls(t)
}

// TestFaultPreset_RefusalTakesBackWhatIsNew has a preset of three faults. The first is there already, the last is refused.
func TestFaultPreset_RefusalTakesBackWhatIsNew(t *testing.T) {
	three := &fault.Preset{Name: "three", Faults: []config.Fault{{ID: "old", Hang: true}, {ID: "new", Hang: true}, {ID: "bad", Hang: true}}}
	answers := func(removal int) map[string][]fakeAnswer {
		return map[string][]fakeAnswer{
			"PUT /v1/faults/old":    once(http.StatusOK, `{"id": "old"}`),
			"PUT /v1/faults/new":    once(http.StatusCreated, `{"id": "new"}`),
			"PUT /v1/faults/bad":    once(http.StatusConflict, `{"error": "id: bad is another fault; remove it first", "field": "id"}`),
			"DELETE /v1/faults/new": once(removal, `{"error": "not now"}`),
		}
	}
	for _, tt := range []struct {
		removal int
		want    string
	}{
		{http.StatusNoContent, "the fault bad of the preset three: id: bad is another fault; remove it first"},
		{http.StatusTooManyRequests, "the fault bad of the preset three: id: bad is another fault; remove it first; and the fault new stays: not now"},
	} {
		d := startFake(t, answers(tt.removal))
		added, err := addPreset(t.Context(), control.NewClient(d.socket), three)
		if err == nil || err.Error() != tt.want || added != nil {
			t.Errorf("%v, %v\nwant %s", added, err, tt.want)
		}
		const hang = ` {"hang":true}`
		d.wantCalls(t, "PUT /v1/faults/old"+hang, "PUT /v1/faults/new"+hang, "PUT /v1/faults/bad"+hang, "DELETE /v1/faults/new")
	}
}
