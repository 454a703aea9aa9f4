package doctor

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestDoctor_SaysFirstWhatIsSimulated(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true}\nevents: [{id: s1, spot: stop}]\nfaults: [{id: f1, status: 503, match: {paths: [meta-data/none]}}]\n")
	url := start(t)
	got := consult(t, service{url: url}, host(url))
	want := strings.NewReplacer("{URL}", url).Replace(`note  simulation     the daemon at {URL} simulates 1 event and 1 fault; clients see these, not a fault of the daemon
note  simulation     event s1: spot, noticed; end it with: mock-ec2-metadata event cancel s1
note  simulation     fault f1: 0 hits; end it with: mock-ec2-metadata fault remove f1
ok    configuration  `)
	if !strings.HasPrefix(got.text, want) || got.failed != 0 {
		t.Errorf("%d failed\n%s\nwant it to begin with\n%s", got.failed, got.text, want)
	}
}
