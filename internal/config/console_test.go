package config

import "testing"

func TestLoad_ConsoleIsAutoOffOrAnAddress(t *testing.T) {
	const wrong = ` is not auto, off or an IP address with a port; write e.g. 127.0.0.1:5081`
	for _, b := range []bad{
		{"a word", `server: {console: on}`, `f.yaml:1: server.console: "on"` + wrong},
		{"a name", `server: {console: "localhost:5081"}`, `f.yaml:1: server.console: "localhost:5081"` + wrong},
		{"no host", `server: {console: ":5081"}`, `f.yaml:1: server.console: ":5081"` + wrong},
		{"no port", `server: {console: 127.0.0.1}`, `f.yaml:1: server.console: "127.0.0.1"` + wrong},
		{"any port", `server: {console: "127.0.0.1:0"}`, `f.yaml:1: server.console: "127.0.0.1:0"` + wrong},
		{"a zone", `server: {console: "[fe80::1%eth0]:5081"}`, `f.yaml:1: server.console: "[fe80::1%eth0]:5081"` + wrong},
		{"a URL", `server: {console: "http://127.0.0.1:5081"}`, `f.yaml:1: server.console: "http://127.0.0.1:5081"` + wrong},
		{
			"no control", `server: {console: "127.0.0.1:5081", control: off}`,
			`f.yaml:1: server.console: needs server.control, which is off; leave one of them out`,
		},
		{
			"the metadata's port", `server: {console: "127.0.0.1:5000"}`,
			`f.yaml:1: server.console: 127.0.0.1:5000 cannot be opened beside 0.0.0.0:5000, which has the same port on the same interface; choose another port`,
		},
		{
			"the control API's address", `server: {console: "127.0.0.1:5002", control_listen: "127.0.0.1:5002"}`,
			`f.yaml:1: server.console: 127.0.0.1:5002 is in server.control_listen, too; choose another port`,
		},
		{
			"an entry's address", "server: {console: '127.0.0.1:5081'}\nclients: [{listen: '127.0.0.1:5081', role: none}]",
			`f.yaml:2: clients[0].listen: 127.0.0.1:5081 is in server.console, too; choose another port`,
		},
	} {
		b.check(t)
	}
	for _, value := range []string{"auto", "off", "127.0.0.1:5081", "[::1]:5081", "0.0.0.0:5081"} {
		if l := mustLoad(t, "", nil, []string{"server.console=" + value}); l.Config.Server.Console != value {
			t.Errorf("%s is %s", value, l.Config.Server.Console)
		}
	}
	if l := mustLoad(t, "server: {control: off}", nil, nil); l.Config.Server.Console != "auto" {
		t.Errorf("without a control socket it is %s", l.Config.Server.Console)
	}
}
