package importer

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAEMM_EventsAreThoseOfTheFile(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"a notice for all clients", `{"spot": {"action": "terminate"}, "mock-ip-count": -1}`, "- spot: terminate\n"},
		{"more clients than can be told apart", `{"spot": {"action": "terminate"}, "mock-ip-count": 10001}`, "- spot: terminate\n"},
		{
			"a trigger time counts before a delay", `{"spot": {"action": "stop"}, "mock-ip-count": 1, "mock-delay-sec": 9, "mock-trigger-time": "2026-12-01T02:00:00Z"}`,
			"- spot: stop\n  at: \"2026-12-01T02:00:00Z\"\n  first_clients: 1\n",
		},
		{
			"a notice that is as long as EC2's", `{"spot": {"time": "2026-12-01T02:02:00Z"}, "mock-trigger-time": "2026-12-01T02:00:00Z", "mock-ip-count": -1}`,
			"- spot: terminate\n  at: \"2026-12-01T02:00:00Z\"\n",
		},
		{
			"a longer notice", `{"spot": {"action": "hibernate", "time": "2026-12-01T02:05:00Z"}, "mock-trigger-time": "2026-12-01T02:00:00Z", "mock-ip-count": -1}`,
			"- spot: hibernate\n  notice: 300s\n  at: \"2026-12-01T02:00:00Z\"\n",
		},
		{
			"a time that no notice has", `{"spot": {"action": "terminate", "time": "2020-01-07T01:03:47Z"}, "mock-delay-sec": 5, "mock-ip-count": -1}`,
			"- set:\n    meta-data/spot/instance-action: \"{\\\"action\\\": \\\"terminate\\\", \\\"time\\\": \\\"2020-01-07T01:03:47Z\\\"}\"\n    meta-data/spot/termination-time: \"2020-01-07T01:03:47Z\"\n  in: 5s\n",
		},
		{
			"a time that no notice has, of a stop", `{"spot": {"action": "stop", "time": "2020-01-07T01:03:47Z"}, "mock-ip-count": -1}`,
			"- set:\n    meta-data/spot/instance-action: \"{\\\"action\\\": \\\"stop\\\", \\\"time\\\": \\\"2020-01-07T01:03:47Z\\\"}\"\n",
		},
		{
			"a signal before the notice", `{"spot": {"action": "stop"}, "mock-delay-sec": 60, "rebalance-delay-sec": 10, "mock-ip-count": 3}`,
			"- spot: stop\n  rebalance: 50s\n  in: 10s\n  first_clients: 3\n",
		},
		{
			"a signal with the notice", `{"spot": {"action": "stop"}, "mock-delay-sec": 5, "rebalance-delay-sec": 5, "mock-ip-count": -1}`,
			"- spot: stop\n  in: 5s\n- rebalance: true\n  in: 5s\n",
		},
		{
			"a time that is the trigger", `{"spot": {"action": "stop", "time": "2026-12-01T02:00:00Z"}, "mock-trigger-time": "2026-12-01T02:00:00Z", "mock-ip-count": -1}`,
			"- set:\n    meta-data/spot/instance-action: \"{\\\"action\\\": \\\"stop\\\", \\\"time\\\": \\\"2026-12-01T02:00:00Z\\\"}\"\n  at: \"2026-12-01T02:00:00Z\"\n",
		},
		{
			"a signal after the notice", `{"spot": {"action": "stop"}, "mock-delay-sec": 5, "rebalance-delay-sec": 10, "mock-ip-count": -1}`,
			"- spot: stop\n  in: 5s\n- rebalance: true\n  in: 10s\n",
		},
		{
			"a signal at a time, a notice after a delay", `{"spot": {"action": "stop"}, "mock-delay-sec": 5, "rebalance-trigger-time": "2026-12-01T02:00:00Z", "mock-ip-count": -1}`,
			"- spot: stop\n  in: 5s\n- rebalance: true\n  at: \"2026-12-01T02:00:00Z\"\n",
		},
		{
			"both at times", `{"spot": {"action": "stop"}, "mock-trigger-time": "2026-12-01T02:00:10Z", "rebalance-trigger-time": "2026-12-01T02:00:00Z", "mock-ip-count": -1}`,
			"- spot: stop\n  rebalance: 10s\n  at: \"2026-12-01T02:00:00Z\"\n",
		},
		{"a signal alone", `{"rebalance-delay-sec": 7, "mock-ip-count": -1}`, "- rebalance: true\n  in: 7s\n"},
		{
			"a signal with a time of its own", `{"spot": {"action": "stop", "rebalance-rec-time": "2020-01-07T01:03:47Z"}, "mock-ip-count": -1}`,
			"- spot: stop\n- set:\n    meta-data/events/recommendations/rebalance: \"{\\\"noticeTime\\\": \\\"2020-01-07T01:03:47Z\\\"}\"\n",
		},
		{
			"a window", `{"events": {"code": "instance-stop", "not-before": "2026-12-01T02:00:00Z", "not-after": "2026-12-01T04:00:00Z"}, "metadata": {"values": {"event-id": "instance-event-0123456789abcdef0"}}, "mock-delay-sec": 4, "mock-ip-count": -1}`,
			"- maintenance: instance-stop\n  not_before: \"2026-12-01T02:00:00Z\"\n  not_after: \"2026-12-01T04:00:00Z\"\n  event_id: instance-event-0123456789abcdef0\n  in: 4s\n",
		},
		{
			"a window that ends before it begins", `{"events": {"not-before": "2026-12-01T02:00:00Z", "not-after": "2026-12-01T02:00:00Z"}, "mock-ip-count": -1}`,
			"- maintenance: system-reboot\n  not_before: \"2026-12-01T02:00:00Z\"\n",
		},
		{"an end without a beginning", `{"events": {"code": "system-reboot", "not-after": "2026-12-01T02:00:00Z"}, "mock-ip-count": -1}`, "- maintenance: system-reboot\n"},
		{
			"a window that is over", `{"events": {"code": "system-reboot", "state": "completed", "not-before": "2026-12-01T02:00:00+01:00"}, "mock-ip-count": -1}`,
			"- set:\n    meta-data/events/maintenance/history: |-\n      [ {\n        \"NotBefore\" : \"01 Dec 2026 01:00:00 GMT\",\n        \"Code\" : \"system-reboot\",\n" +
				"        \"Description\" : \"[Completed] The instance is scheduled for system-reboot\",\n        \"State\" : \"completed\"\n      } ]\n",
		},
		{"the end in an Auto Scaling group", `{"asg-termination-delay-sec": 90, "mock-ip-count": -1}`, "- asg: InService\n- asg: Terminated\n  in: 90s\n"},
		{
			"a canceled event", `{"events": {"code": "instance-stop", "state": "canceled"}, "mock-ip-count": -1}`,
			"- set:\n    meta-data/events/maintenance/history: |-\n      [ {\n        \"Code\" : \"instance-stop\",\n        \"Description\" : \"[Canceled] The instance is scheduled for instance-stop\",\n        \"State\" : \"canceled\"\n      } ]\n",
		},
		{"the end before the start", `{"asg-termination-delay-sec": -5, "mock-ip-count": -1}`, "- asg: Terminated\n"},
		{"the end at once", `{"asg-termination-delay-sec": 0, "mock-ip-count": -1}`, "- asg: Terminated\n"},
		{"the end at a time", `{"asg-termination-trigger-time": "2026-12-01T02:00:00Z", "mock-ip-count": -1}`, "- asg: InService\n- asg: Terminated\n  at: \"2026-12-01T02:00:00Z\"\n"},
		{"the end at what is no time", `{"asg-termination-trigger-time": "5", "asg-termination-delay-sec": 90, "mock-ip-count": -1}`, "- asg: Terminated\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _ := aemmYAML(t, tc.in)
			_, got, _ = strings.Cut(got, "events:\n")
			want := "  " + strings.ReplaceAll(strings.TrimSuffix(tc.want, "\n"), "\n", "\n  ") + "\n"
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAEMM_LineIsReadAsItReadsIt(t *testing.T) {
	file := `{"spot": {"action": "stop"}, "mock-delay-sec": 5, "mock-ip-count": -1, "metadata": {"values": {"instance-type": "m5.large"}}}`
	for _, tc := range []struct {
		name, file    string
		args, environ []string
		want          string
	}{
		{"a subcommand", "", []string{"spot", "-a", "hibernate", "-x", "-1"}, nil, "events:\n  - spot: hibernate\n"},
		{"the program itself", "", []string{"bin/ec2-metadata-mock", "spot", "-x", "-1"}, nil, "events:\n  - spot: terminate\n"},
		{"its flags in other forms", "", []string{"-d8", "spot", "--action=terminate", "-x=1"}, nil, "events:\n  - spot: terminate\n    in: 8s\n    first_clients: 1\n"},
		{"a subcommand behind a flag with its name", "", []string{"-n", "events", "spot", "-x", "-1"}, nil, "events:\n  - spot: terminate\nserver:\n  listen: [\"events:1338\"]\n"},
		{
			"an alias and its own short flags", "",
			[]string{"se", "-o", "instance-stop", "-t", "active", "-b", "2026-12-01T02:00:00Z", "-a", "2026-12-01T03:00:00Z", "-x", "-1"},
			nil,
			"events:\n  - maintenance: instance-stop\n    not_before: \"2026-12-01T02:00:00Z\"\n    not_after: \"2026-12-01T03:00:00Z\"\n",
		},
		{"autoscaling", "", []string{"autoscaling", "--asg-termination-delay-sec", "3", "-x", "-1"}, nil, "events:\n  - asg: InService\n  - asg: Terminated\n    in: 3s\n"},
		{
			"without a subcommand all", "",
			[]string{"-x", "-1", "-I", "-p", "1339"},
			nil,
			"ec2:\n  metadata_options:\n    http_tokens: required\nevents:\n  - spot: terminate\n  - maintenance: system-reboot\n  - asg: Terminated\nserver:\n  listen: [\"0.0.0.0:1339\"]\n",
		},
		{"the file alone", file, []string{"spot"}, nil, "ec2:\n  instance_type: m5.large\nevents:\n  - spot: stop\n    in: 5s\n"},
		{
			"a variable over the file", file,
			[]string{"spot"},
			[]string{"AEMM_SPOT_ACTION=hibernate", "AEMM_METADATA_VALUES_INSTANCE_TYPE=t3.micro", "OTHER_SPOT_ACTION=x"},
			"ec2:\n  instance_type: t3.micro\nevents:\n  - spot: hibernate\n    in: 5s\n",
		},
		{
			"a flag over the variable and the file", file,
			[]string{"spot", "-a", "terminate", "-d", "9"},
			[]string{"AEMM_SPOT_ACTION=hibernate", "AEMM_MOCK_DELAY_SEC=7"},
			"ec2:\n  instance_type: m5.large\nevents:\n  - spot: terminate\n    in: 9s\n",
		},
		{
			"a variable with the name of a document", `{"mock-ip-count": 0, "metadata": {"values": {"iam-info": {"InstanceProfileArn": "arn:aws:iam::012345678901:instance-profile/web"}}}}`,
			[]string{"spot"},
			[]string{"AEMM_METADATA_VALUES_IAM_INFO=x"},
			"credentials:\n  iam_role: arn:aws:iam::012345678901:role/web # guessed: the input has the name of the instance profile alone\n" +
				"  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead\n",
		},
		{
			"an empty variable", file,
			[]string{"spot"},
			[]string{"AEMM_MOCK_DELAY_SEC=", "AEMM_SERVER_HOSTNAME="},
			"ec2:\n  instance_type: m5.large\nevents:\n  - spot: stop\nserver:\n  listen: [\":1338\"]\n",
		},
		{
			"a time of the flag that takes numbers", "",
			[]string{"asg", "--asg-termination-trigger-time", "5", "--asg-termination-delay-sec", "3", "-x", "-1"},
			nil,
			"events:\n  - asg: InService\n  - asg: Terminated\n    in: 3s\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var inputs []Input
			if tc.file != "" {
				inputs = []Input{{Name: "f", Content: []byte(tc.file)}}
			}
			got, _ := importYAML(t, Options{As: "aemm", Args: tc.args, Environ: tc.environ}, inputs...)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAEMM_FileIsReadAloneWithoutALine(t *testing.T) {
	got, _ := importYAML(t, Options{Environ: []string{"AEMM_SPOT_ACTION=hibernate"}}, Input{Name: "f", Content: []byte(`{"spot": {"action": "stop"}, "mock-ip-count": -1}`)})
	if want := "events:\n  - spot: stop\n"; got != want {
		t.Errorf("got\n%s, not\n%s", got, want)
	}
}

func TestAEMM_LineSaysWhatIsWrongWithIt(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"spt"}, `the line after --: "spt" is no subcommand of amazon-ec2-metadata-mock; it has spot, events and asglifecycle`},
		{[]string{"spot", "more"}, `the line after --: "more" is more than amazon-ec2-metadata-mock takes`},
		{[]string{"--nothing"}, `the line after --: unknown flag: --nothing`},
		{[]string{"spot", "--code", "x"}, `the line after --: unknown flag: --code`},
		{[]string{"-d", "x"}, `the line after --: invalid argument "x" for "-d, --mock-delay-sec" flag: strconv.ParseInt: parsing "x": invalid syntax`},
		{[]string{"spot", "--help"}, `the line after --: --help starts no service; leave it out`},
		{[]string{"spot", "-a", "x"}, `the line after --: spot.action: "x" is none of terminate, stop, hibernate; amazon-ec2-metadata-mock refuses it, too`},
	} {
		_, err := Read(nil, Options{As: "aemm", Args: tc.args})
		if got := errText(err); got != tc.want {
			t.Errorf("%q:\ngot  %s\nwant %s", tc.args, got, tc.want)
		}
	}
	_, err := Read(nil, Options{As: "aemm", Args: []string{}, Environ: []string{"AEMM_SPOT_ACTION=x"}})
	if want := `AEMM_SPOT_ACTION: spot.action: "x" is none of terminate, stop, hibernate; amazon-ec2-metadata-mock refuses it, too`; errText(err) != want {
		t.Errorf("got %s", errText(err))
	}
}

func TestAEMMFile_IsThatOfTheFlagThenOfTheVariable(t *testing.T) {
	environ := []string{"A=b", "AEMM_CONFIG_FILE=/e.json"}
	for _, tc := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"spot", "-c", "/f.json"}, environ, "/f.json"},
		{[]string{"-c/f.json"}, environ, "/f.json"},
		{[]string{"spot"}, environ, "/e.json"},
		{[]string{"spot"}, nil, ""},
	} {
		if got, err := AEMMFile(tc.args, tc.environ); err != nil || got != tc.want {
			t.Errorf("%q: %q, not %q (%v)", tc.args, got, tc.want, err)
		}
	}
	if _, err := AEMMFile([]string{"--nothing"}, nil); err == nil {
		t.Error("a wrong line has a file")
	}
}

func TestAEMM_WithoutASubcommandItSaysSo(t *testing.T) {
	_, notes := importYAML(t, Options{As: "aemm", Args: []string{}})
	if want := "note: events: without a subcommand amazon-ec2-metadata-mock mocks spot, events and asglifecycle; name one for its events alone"; !slices.Contains(notes, want) {
		t.Errorf("no note %q, but %q", want, notes)
	}
}
