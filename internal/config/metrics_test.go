package config

import "testing"

func TestLoad_MetricsListenIsAnAddressOrASocket(t *testing.T) {
	const wrong = ` is neither an IP address with a port nor unix: and a path; write e.g. 127.0.0.1:5080, or leave it empty for none`
	for _, b := range []bad{
		{"a name", `metrics: {listen: "localhost:5080"}`, `f.yaml:1: metrics.listen: "localhost:5080"` + wrong},
		{"no host", `metrics: {listen: ":5080"}`, `f.yaml:1: metrics.listen: ":5080"` + wrong},
		{"no port", `metrics: {listen: 127.0.0.1}`, `f.yaml:1: metrics.listen: "127.0.0.1"` + wrong},
		{"a port too high", `metrics: {listen: "127.0.0.1:65536"}`, `f.yaml:1: metrics.listen: "127.0.0.1:65536"` + wrong},
		{"off", `metrics: {listen: off}`, `f.yaml:1: metrics.listen: "off"` + wrong},
		{"a zone", `metrics: {listen: "[fe80::1%lo]:5080"}`, `f.yaml:1: metrics.listen: "[fe80::1%lo]:5080"` + wrong},
		{
			"a relative path", `metrics: {listen: "unix:metrics.sock"}`,
			`f.yaml:1: metrics.listen: "unix:metrics.sock" names no absolute path; write e.g. unix:/run/mock-ec2-metadata/metrics.sock`,
		},
		{
			"the metadata's port", `metrics: {listen: "127.0.0.1:5000"}`,
			`f.yaml:1: metrics.listen: 127.0.0.1:5000 cannot be opened beside 0.0.0.0:5000, which has the same port on the same interface; choose another port`,
		},
		{
			"the metadata's address", `{metrics: {listen: "127.0.0.1:5080"}, server: {listen: ["127.0.0.1:5080"]}}`,
			`f.yaml:1: metrics.listen: 127.0.0.1:5080 is in server.listen, too; choose another port`,
		},
		{
			"the control API's address", `{metrics: {listen: "127.0.0.1:5002"}, server: {control_listen: "127.0.0.1:5002"}}`,
			`f.yaml:1: metrics.listen: 127.0.0.1:5002 is in server.control_listen, too; choose another port`,
		},
		{
			"an entry's address", "metrics: {listen: '127.0.0.1:5080'}\nclients: [{listen: '127.0.0.1:5080', role: none}]",
			`f.yaml:2: clients[0].listen: 127.0.0.1:5080 is in metrics.listen, too; choose another port`,
		},
	} {
		b.check(t)
	}
	for _, address := range []string{"127.0.0.1:5080", "0.0.0.0:5080", "[::1]:0", "unix:/run/metrics.sock"} {
		if l := mustLoad(t, "", nil, []string{"metrics.listen=" + address}); l.Config.Metrics.Listen != address {
			t.Errorf("%s is %s", address, l.Config.Metrics.Listen)
		}
	}
	if l := mustLoad(t, "", nil, nil); l.Config.Metrics.Listen != "" {
		t.Errorf("by default %s", l.Config.Metrics.Listen)
	}
}
