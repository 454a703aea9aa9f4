package app

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"mock-ec2-metadata/internal/api"
)

func TestEvents_WarnWhereClientsSeeNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, eventsConfig)
		for body, warns := range map[string]bool{
			`{"unset": ["meta-data/none"]}`: true, `{"tags": {"unset": ["none"]}}`: true, `{"profile": "attach"}`: true,
			`{"unset": ["meta-data/mac"]}`: false, `{"credentials": "rotate"}`: false, `{"options": {"http_tokens": "optional"}}`: false,
		} {
			if e := u.putEvent(t, "", body); slices.Contains(e.Warnings, "clients see no change by it") != warns {
				t.Errorf("%s: %q", body, e.Warnings)
			}
			if err := u.DeleteEvents("", api.Peer{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEvents_MetadataOfAnEntryIsTheUsersToo(t *testing.T) {
	const config = eventsConfig + `
server: {allow_clients: [10.0.0.0/8]}
clients:
- {from: 10.1.0.0/16, ec2: {instance_id: i-0aaaaaaaaaaaaaaaa}, metadata: {meta-data/custom: v0, meta-data/dir/leaf: v1}}
- {from: 10.2.0.0/16, ec2: {instance_id: i-0bbbbbbbbbbbbbbbb}}
`
	synctest.Test(t, func(t *testing.T) {
		u := simulate(t, config)
		for body, key := range map[string]string{
			`{"set": {"meta-data/custom": "ev"}}`:                            "meta-data/custom",
			`{"set": {"meta-data/custom/y": "ev"}}`:                          "meta-data/custom",
			`{"set": {"meta-data/dir": "ev"}, "clients": ["10.0.0.0/8"]}`:    "meta-data/dir/leaf",
			`{"set": {"meta-data/custom": "ev"}, "clients": ["clients[0]"]}`: "meta-data/custom",
		} {
			_, _, err := u.PutEvent("e", []byte(body), api.Peer{})
			wantRefusal(t, err, http.StatusConflict, "set: clients[0].metadata."+key+" of the configuration owns meta-data/")
		}
		u.putEvent(t, "e", `{"set": {"meta-data/custom": "ev"}, "clients": ["clients[1]"]}`)
		for from, want := range map[string]string{"10.1.0.1:1": "v0", "10.2.0.1:1": "ev"} {
			if got := u.do(http.MethodGet, "/latest/meta-data/custom", from).Body.String(); got != want {
				t.Errorf("%s: %s", from, got)
			}
		}
	})
}
