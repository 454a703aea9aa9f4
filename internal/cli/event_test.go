package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// TestEvent_CommandLineBecomesTheBody has a command line of each kind.
func TestEvent_CommandLineBecomesTheBody(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{
		"POST /v1/events":    once(http.StatusCreated, noticed),
		"PUT /v1/events/s1":  once(http.StatusOK, noticed),
		"POST /v1/events/w1": once(http.StatusOK, noticed),
	})
	testutil.Write(t, "user.sh", "#!/bin/sh\necho \"<1>\"\n")
	testutil.Write(t, "eth1.yaml", "mac: 02:00:00:00:00:02\ndevice_number: 1\nlocal_ipv4s: [172.31.0.20]\n")
	testutil.Write(t, "eth1.json", `{"mac": "02:00:00:00:00:02", "local_ipv4s": ["172.31.0.20"]}`)
	const made = "POST /v1/events "
	for _, tt := range []struct{ line, want string }{
		{"spot terminate", made + `{"spot":"terminate"}`},
		{"spot terminate --notice 2m --rebalance 10m --then clear", made + `{"notice":"2m","rebalance":"10m","spot":"terminate","then":"clear"}`},
		{"spot hibernate --notice 0s --id s1", `PUT /v1/events/s1 {"notice":"0s","spot":"hibernate"}`},
		{"rebalance", made + `{"rebalance":true}`},
		{"maintenance instance-stop", made + `{"maintenance":"instance-stop"}`},
		{
			"maintenance system-reboot --not-before 2026-12-01T03:00:00+01:00 --not-after 2026-12-01T04:00:00Z --description scheduled --event-id instance-event-0d59937288b749b32",
			made + `{"description":"scheduled","event_id":"instance-event-0d59937288b749b32","maintenance":"system-reboot","not_after":"2026-12-01T04:00:00Z","not_before":"2026-12-01T02:00:00Z"}`,
		},
		{"maintenance complete w1", `POST /v1/events/w1 {"verb":"complete"}`},
		{"maintenance cancel w1", `POST /v1/events/w1 {"verb":"cancel"}`},
		{"maintenance reschedule w1 --not-before 2026-12-08T02:00:00Z", `POST /v1/events/w1 {"not_before":"2026-12-08T02:00:00Z","verb":"reschedule"}`},
		{"asg Warmed:Stopped", made + `{"asg":"Warmed:Stopped"}`},
		{"asg gone", made + `{"asg":"gone"}`},
		{"profile detach", made + `{"profile":"detach"}`},
		{"profile attach --lag 5s", made + `{"lag":"5s","profile":"attach"}`},
		{"profile replace other", made + `{"profile":"replace","role":"other"}`},
		{"profile break NoRole --lag 1s", made + `{"code":"NoRole","lag":"1s","profile":"break"}`},
		{"credentials rotate", made + `{"credentials":"rotate"}`},
		{"tags set Name=web a.b=c=d Empty=", made + `{"tags":{"set":{"Empty":"","Name":"web","a.b":"c=d"}}}`},
		{"tags unset Name Stage", made + `{"tags":{"unset":["Name","Stage"]}}`},
		{"options http_tokens=required http_put_response_hop_limit=2", made + `{"options":{"http_put_response_hop_limit":2,"http_tokens":"required"}}`},
		{"network add-ip 172.31.0.20", made + `{"address":"172.31.0.20","network":"add-ip"}`},
		{"network remove-ip 172.31.0.20 --mac 02:00:00:00:00:01 --lag 10s", made + `{"address":"172.31.0.20","lag":"10s","mac":"02:00:00:00:00:01","network":"remove-ip"}`},
		{"network attach", made + `{"network":"attach"}`},
		{
			"network attach eth1.yaml --lag 10s",
			made + `{"interface":{"device_number":1,"local_ipv4s":["172.31.0.20"],"mac":"02:00:00:00:00:02"},"lag":"10s","network":"attach"}`,
		},
		{"network attach eth1.json", made + `{"interface":{"local_ipv4s":["172.31.0.20"],"mac":"02:00:00:00:00:02"},"network":"attach"}`},
		{"network detach 02:00:00:00:00:02", made + `{"mac":"02:00:00:00:00:02","network":"detach"}`},
		{"public-ip set 198.51.100.7", made + `{"public_ip":"198.51.100.7"}`},
		{"public-ip release", made + `{"public_ip":"release"}`},
		{"restart", made + `{"restart":true}`},
		{"restart --user-data user.sh --keep-ip --forget-tokens", made + `{"forget_tokens":true,"keep_ip":true,"restart":true,"user_data":"#!/bin/sh\necho \"\u003c1\u003e\"\n"}`},
		{"restart --keep-ip=false", made + `{"restart":true}`},
		{"set meta-data/a.b=1=2 meta-data/c=", made + `{"set":{"meta-data/a.b":"1=2","meta-data/c":""}}`},
		{"unset meta-data/a meta-data/b", made + `{"unset":["meta-data/a","meta-data/b"]}`},

		{"rebalance --in 30s --client 172.17.0.0/16 --client clients[0]", made + `{"clients":["172.17.0.0/16","clients[0]"],"in":"30s","rebalance":true}`},
		{"rebalance --at 2026-12-01T02:00:00.5Z --clients 2", made + `{"at":"2026-12-01T02:00:00.5Z","first_clients":2,"rebalance":true}`},
		{"rebalance --after-requests 3", made + `{"after_requests":{"count":3},"rebalance":true}`},
		{"rebalance --after-requests 3:meta-data/spot/**", made + `{"after_requests":{"count":3,"path":"meta-data/spot/**"},"rebalance":true}`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			got := run(t, append([]string{"event"}, strings.Fields(tt.line)...)...)
			got.wants(t, ran{stdout: "s1 spot terminate noticed, acted at 2026-11-29T12:02:00Z\n", stderr: lateSpot})
			d.wantCalls(t, tt.want)
			if _, text, _ := strings.Cut(tt.want, " /v1/events"); !strings.Contains(text, `"verb"`) {
				_, text, _ = strings.Cut(text, " ")
				if _, _, err := config.ParseEvent([]byte(text)); err != nil {
					t.Errorf("the daemon refuses it: %v", err)
				}
			}
		})
	}
}

func TestEvent_FilesComeFromStdinToo(t *testing.T) {
	d := startFake(t, map[string][]fakeAnswer{"POST /v1/events": once(http.StatusCreated, armed)})
	for _, tt := range []struct{ line, stdin, want string }{
		{"network attach -", "mac: 02:00:00:00:00:02\n", `{"interface":{"mac":"02:00:00:00:00:02"},"network":"attach"}`},
		{"restart --user-data -", "new\n", `{"restart":true,"user_data":"new\n"}`},
	} {
		var stdout, stderr testutil.Buffer
		p := commandLine(os.Environ(), &stdout, &stderr, append([]string{"event"}, strings.Fields(tt.line)...)...)
		p.Stdin = strings.NewReader(tt.stdin)
		ran{Run(t.Context(), p), stdout.String(), stderr.String()}.wants(t, ran{
			stdout: "a1 asg Terminated pending, begins after 3 requests of meta-data/spot/**\n",
		})
		d.wantCalls(t, "POST /v1/events "+tt.want)
	}
}

func TestPlain_ScalarsKeepTheirText(t *testing.T) {
	var node yaml.Node
	text := "zero: 012345678901\nnumber: 7\noctal: 0123\nplus: +7\nhex: 0x10\nyes: true\nnone: ~\ntime: 2026-12-01\nquoted: '7'\nall: &a [1.50, {deep: x}]\nagain: *a\n"
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(plain(&node))
	const all = `["1.50",{"deep":"x"}]`
	want := `{"again":` + all + `,"all":` + all + `,"hex":"0x10","none":null,"number":7,"octal":"0123","plus":"+7","quoted":"7","time":"2026-12-01","yes":true,"zero":"012345678901"}`
	if string(got) != want || err != nil {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

func TestEvent_FilesThatCannotBeSentSayWhy(t *testing.T) {
	d := startFake(t, nil)
	testutil.Write(t, "empty", "")
	testutil.Write(t, "binary", "\x1f\x8b\xff")
	testutil.Write(t, "long", strings.Repeat("x", 1<<20+1))
	testutil.Write(t, "list.yaml", "- {mac: 02:00:00:00:00:02}\n")
	testutil.Write(t, "twice.yaml", "mac: a\nmac: b\n")
	testutil.Write(t, "bad.yaml", "mac: [\n")
	testutil.Write(t, "null.yaml", "~\n")
	testutil.Write(t, "comment.yaml", "# later\n")
	testutil.Write(t, "two.yaml", "mac: a\n---\nmac: b\n")
	const one = "it is not one network interface; write the keys of an entry of ec2.network_interfaces, such as mac: 02:00:00:00:00:02"
	for _, tt := range []struct{ line, want string }{
		{"restart --user-data none", "open none: no such file or directory"},
		{"restart --user-data empty", "empty: it is empty; name a file with content"},
		{"restart --user-data binary", "binary: it is not UTF-8 text, so it cannot be sent; encode it, for example by base64"},
		{"restart --user-data long", "long: it has more than 1 MiB, which the daemon does not take; shorten it"},
		{"network attach list.yaml", "list.yaml: " + one},
		{"network attach twice.yaml", "twice.yaml: " + one},
		{"network attach null.yaml", "null.yaml: " + one},
		{"network attach comment.yaml", "comment.yaml: " + one},
		{"network attach two.yaml", "two.yaml: " + one},
		{"network attach bad.yaml", "bad.yaml: it is neither YAML nor JSON: yaml: line 1: did not find expected node content"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			run(t, append([]string{"event"}, strings.Fields(tt.line)...)...).wants(t, ran{code: exitFailure, stderr: "mock-ec2-metadata: " + tt.want + "\n"})
			d.wantCalls(t)
		})
	}
}

func TestEvent_WrongCommandLineExits2(t *testing.T) {
	d := startFake(t, nil)
	const (
		duration = `" flag: write a duration such as 30s, 5m or 1h30m`
		clock    = `" flag: write a time of RFC 3339 such as 2026-12-01T02:00:00Z`
		after    = `" for "--after-requests" flag: write a number of requests from 1, and a path pattern if only those count, such as 3 or 3:meta-data/spot/**`
		id       = `write 1 to 64 letters, digits, dots, hyphens and underscores`
	)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"crash"}, `event: there is no "crash"; write one of spot, rebalance, maintenance, asg, profile, credentials, tags, options, network, public-ip, restart, set, unset, list, show, cancel, clear, wait`},
		{[]string{"spot"}, `event spot: an argument is missing; write for example: mock-ec2-metadata event spot terminate`},
		{[]string{"spot", "kill"}, `event spot: "kill" is not what EC2 does to a spot instance; write one of terminate, stop, hibernate`},
		{[]string{"spot", "stop", "now"}, `event spot: the argument "now" is too many; write for example: mock-ec2-metadata event spot terminate`},
		{[]string{"spot", "stop", "--notice", "soon"}, `invalid argument "soon" for "--notice` + duration},
		{[]string{"spot", "stop", "--notice", "120"}, `invalid argument "120" for "--notice` + duration},
		{[]string{"spot", "stop", "--notice", "-5s"}, `invalid argument "-5s" for "--notice` + duration},
		{[]string{"spot", "stop", "--then", "die"}, `invalid argument "die" for "--then" flag: write one of stay, clear, gone, exit`},
		{[]string{"spot", "stop", "--in", "1s", "--at", "2026-12-01T02:00:00Z"}, `event spot: --in and --at exclude each other; keep one`},
		{[]string{"spot", "stop", "--client", "::1", "--clients", "1"}, `event spot: --client and --clients exclude each other; keep one`},
		{[]string{"spot", "stop", "--client", ""}, `invalid argument "" for "--client" flag: write a value, or leave out the flag`},
		{[]string{"spot", "stop", "--at", "tomorrow"}, `invalid argument "tomorrow" for "--at` + clock},
		{[]string{"spot", "stop", "--clients", "0"}, `invalid argument "0" for "--clients" flag: write a whole number from 1`},
		{[]string{"spot", "stop", "--after-requests", "many"}, `invalid argument "many` + after},
		{[]string{"spot", "stop", "--after-requests", "0"}, `invalid argument "0` + after},
		{[]string{"spot", "stop", "--after-requests", "3:"}, `invalid argument "3:` + after},
		{[]string{"spot", "stop", "--id", ".."}, `invalid argument ".." for "--id" flag: ` + id},
		{[]string{"maintenance"}, `event maintenance: an argument is missing; write for example: mock-ec2-metadata event maintenance instance-stop`},
		{[]string{"maintenance", "reboot"}, `event maintenance: "reboot" is not a maintenance code; write one of instance-stop, instance-retirement, instance-reboot, system-reboot, system-maintenance`},
		{[]string{"maintenance", "complete"}, `event maintenance complete: an argument is missing; write for example: mock-ec2-metadata event maintenance complete window`},
		{[]string{"maintenance", "reschedule", "w"}, `event maintenance reschedule: the new time is missing; add for example: --not-before 2026-12-08T02:00:00Z`},
		{[]string{"asg", ""}, `event asg: an argument is empty; write for example: mock-ec2-metadata event asg Terminated`},
		{[]string{"profile"}, `event profile: a command is missing; write one of detach, attach, replace, break`},
		{[]string{"profile", "replace"}, `event profile replace: an argument is missing; write for example: mock-ec2-metadata event profile replace other-role`},
		{[]string{"tags", "set", "Name"}, `event tags set: "Name" is not of the form KEY=VALUE, such as Name=web`},
		{[]string{"tags", "set", "a=1", "a=2"}, `event tags set: "a" is there twice; leave one out`},
		{[]string{"tags", "unset"}, `event tags unset: an argument is missing; write for example: mock-ec2-metadata event tags unset Name`},
		{[]string{"options", "http_put_response_hop_limit=far"}, `event options: http_put_response_hop_limit=far is not a number; write for example http_put_response_hop_limit=1`},
		{[]string{"set", "=x"}, `event set: "=x" is not of the form PATH=VALUE, such as meta-data/instance-action=shutdown`},
		{[]string{"restart", "--keep-ip=maybe"}, `invalid argument "maybe" for "--keep-ip" flag: leave out the value`},
		{[]string{"restart", "now"}, `restart takes no arguments, but got "now"`},
		{[]string{"show"}, `event show: an argument is missing; write for example: mock-ec2-metadata event show s1`},
		{[]string{"show", "a/b"}, `event show: "a/b" is not an id; ` + id},
		{[]string{"cancel", "."}, `event cancel: "." is not an id; ` + id},
		{[]string{"wait", "s1", "--timeout", "0s"}, `invalid argument "0s" for "--timeout" flag: write a duration above 0, such as 30s or 5m`},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := run(t, append([]string{"event"}, tt.args...)...)
			start := "mock-ec2-metadata: " + tt.want + "\nmock-ec2-metadata event "
			if got.code != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, start) {
				t.Errorf("got %+v, want %q", got, start)
			}
			d.wantCalls(t)
		})
	}
}

func TestRun_WrongCommandLineNamesTheHelpOfItsCommand(t *testing.T) {
	isolate(t)
	for line, want := range map[string]string{
		"event spot --notice 90":   "mock-ec2-metadata event spot --help",
		"event tags set Name":      "mock-ec2-metadata event tags set --help",
		"event crash":              "mock-ec2-metadata event --help",
		"requests all":             "mock-ec2-metadata requests --help",
		"crash":                    "mock-ec2-metadata help",
		"--no-flag":                "mock-ec2-metadata help",
		"--log-level debug --none": "mock-ec2-metadata help",
	} {
		got := run(t, strings.Fields(line)...)
		if want = "\n" + want + " shows the commands and flags.\n"; got.code != exitUsage || !strings.HasSuffix(got.stderr, want) {
			t.Errorf("%s: got %+v, want %q", line, got, want)
		}
	}
}

func TestEvent_AloneShowsItsHelp(t *testing.T) {
	isolate(t)
	for _, name := range []string{"event", "fault"} {
		got := run(t, name)
		if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, "mock-ec2-metadata "+name+" ") {
			t.Errorf("%+v", got)
		}
	}
}
