package lifecycle

import (
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

func TestTitle_AndPhaseNames(t *testing.T) {
	plain := []string{Pending, Active}
	for _, tt := range []struct {
		spec   config.Event
		title  string
		phases []string
	}{
		{config.Event{Spot: "terminate", Rebalance: "10m"}, "spot terminate", []string{Pending, Rebalance, Noticed, Acted}},
		{config.Event{Rebalance: "true"}, "rebalance", []string{Pending, Noticed}},
		{config.Event{Maintenance: "system-reboot"}, "maintenance system-reboot", []string{Pending, Scheduled, Completed, Canceled}},
		{config.Event{ASG: "Terminated"}, "asg Terminated", plain},
		{config.Event{Profile: "detach"}, "profile detach", []string{Pending, Lag, Active}},
		{config.Event{Credentials: "rotate"}, "credentials rotate", plain},
		{config.Event{Tags: &config.EventTags{}}, "tags", plain},
		{config.Event{Options: &config.EventOptions{}}, "options", plain},
		{config.Event{Network: "add-ip"}, "network add-ip", []string{Pending, Partial, Complete}},
		{config.Event{PublicIP: "198.51.100.7"}, "public_ip 198.51.100.7", plain},
		{config.Event{Restart: true}, "restart", plain},
		{config.Event{Set: map[string]string{"meta-data/x": ""}}, "set", plain},
		{config.Event{Unset: []string{"meta-data/x"}}, "unset", plain},
	} {
		e := Event{Spec: tt.spec}
		wantEqual(t, tt.title, e.Title())
		wantEqual(t, tt.phases, e.PhaseNames())
	}
}

func TestTimeline_SaysWhenPhasesBegin(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec config.Event
		want []string
	}{
		{"in", config.Event{Spot: "terminate", In: 90 * time.Second, Then: "clear"}, []string{"pending at the start", "noticed 90s after the start", "acted 3m30s after the start, then clear"}},
		{
			"signal",
			config.Event{Spot: "terminate", Rebalance: "10m", Then: "stay"},
			[]string{"rebalance at the start", "noticed 10m after the start", "acted 12m after the start"},
		},
		{"at", config.Event{Spot: "stop", At: "2026-12-01T02:00:00+01:00"}, []string{"pending at the start", "noticed at 2026-12-01T01:00:00Z", "acted at 2026-12-01T01:02:00Z"}},
		{
			"requests",
			config.Event{Spot: "stop", AfterRequests: &config.AfterRequests{Count: 3, Path: "meta-data/spot/**"}},
			[]string{"pending at the start", "noticed after 3 requests of meta-data/spot/**", "acted 2m after 3 requests of meta-data/spot/**"},
		},
		{"request", config.Event{ASG: "gone", AfterRequests: &config.AfterRequests{Count: 1}}, []string{"pending at the start", "active after 1 request"}},
		{"lag", config.Event{Profile: "detach", Lag: 1500 * time.Millisecond}, []string{"lag at the start", "active 1.5s after the start"}},
		{"maintenance", config.Event{Maintenance: "instance-stop", In: 2 * time.Hour}, []string{"pending at the start", "scheduled 2h after the start"}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantEqual(t, tt.want, Timeline(tt.spec)) })
	}
}

func TestStages_ShowEachPhase(t *testing.T) {
	b := valid()
	for _, tt := range []struct {
		spec config.Event
		path string
		want []string
	}{
		{config.Event{Spot: "terminate", Rebalance: "1m", Then: "clear", In: time.Hour}, "spot/termination-time", []string{absent, "2026-11-29T12:03:00Z", absent}},
		{config.Event{Network: "attach", Interface: &config.NetworkInterface{MAC: mac1}, Lag: time.Minute}, macs + mac1 + "/device-number", []string{"0", "1", "1"}},
		{config.Event{ASG: "Standby", AfterRequests: &config.AfterRequests{Count: 1}}, "autoscaling/target-lifecycle-state", []string{"Standby"}},
		{config.Event{Profile: "detach", Lag: time.Second}, "iam", []string{"info\nsecurity-credentials/", absent}},
	} {
		_, e, err := Set{}.Add("e1", tt.spec, b, start)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range e.Stages(b, start) {
			got = append(got, body(treeOf(t, r), tt.path))
		}
		wantEqual(t, tt.want, got)
	}
	_, e, err := Set{}.Add("e1", config.Event{Maintenance: "system-reboot"}, b, start)
	if err != nil {
		t.Fatal(err)
	}
	stages := e.Stages(b, start)
	if body(treeOf(t, stages[len(stages)-1]), historyPath) == "[]" {
		t.Error("no stage changes the history")
	}
}
