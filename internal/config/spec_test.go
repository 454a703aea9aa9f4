package config

import (
	"testing"
	"time"
)

func TestJSON_HasTheWordsOfTheConfiguration(t *testing.T) {
	two, none := 2*time.Minute, time.Duration(0)
	zero := 0
	for _, test := range []struct {
		block any
		want  string
	}{
		{&Event{ID: "a", Spot: "terminate", Notice: &two, Rebalance: "10m", Then: "stay"}, `{"spot":"terminate","notice":"2m","rebalance":"10m","then":"stay"}`},
		{&Event{Spot: "hibernate", Notice: &none}, `{"spot":"hibernate","notice":"0s"}`},
		{&Event{Rebalance: "true", In: 90 * time.Second}, `{"rebalance":true,"in":"90s"}`},
		{&Event{Maintenance: "instance-stop", Description: `<a> & "b"`}, `{"maintenance":"instance-stop","description":"<a> & \"b\""}`},
		{&Event{Tags: &EventTags{Set: map[string]string{"b": "", "a": "1"}, Unset: []string{"c"}}}, `{"tags":{"set":{"a":"1","b":""},"unset":["c"]}}`},
		{&Event{Options: &EventOptions{HTTPTokens: "required", HTTPPutResponseHopLimit: 1}}, `{"options":{"http_tokens":"required","http_put_response_hop_limit":1}}`},
		{
			&Event{Network: "attach", Interface: &NetworkInterface{MAC: "0a:00:00:00:00:01", LocalIPv4s: []string{}}, Lag: 10 * time.Second},
			`{"network":"attach","interface":{"mac":"0a:00:00:00:00:01","local_ipv4s":[]},"lag":"10s"}`,
		},
		{&Event{Restart: true, UserData: "#!/bin/sh\n", KeepIP: true}, `{"restart":true,"user_data":"#!/bin/sh\n","keep_ip":true}`},
		{
			&Event{Set: map[string]string{"meta-data/x": "v"}, AfterRequests: &AfterRequests{Count: 3, Path: "api/token"}, Clients: []string{"10.0.0.0/8"}},
			`{"set":{"meta-data/x":"v"},"after_requests":{"count":3,"path":"api/token"},"clients":["10.0.0.0/8"]}`,
		},
		{&Event{}, `{}`},
		{Event{Tags: &EventTags{}}, `{"tags":{}}`},
		{
			&Fault{Match: FaultMatch{Paths: []string{"api/token"}}, Dose: FaultDose{Percent: &zero, For: 90 * time.Minute}, Delay: 300 * time.Millisecond, Cut: &zero},
			`{"match":{"paths":["api/token"]},"dose":{"percent":0,"for":"1h30m"},"delay":"300ms","cut":0}`,
		},
		{&Fault{Throttle: &FaultThrottle{Rate: 5, Burst: 6, Answer: "503"}}, `{"throttle":{"rate":5,"burst":6,"answer":503}}`},
		{&Fault{Throttle: &FaultThrottle{Rate: 5, Burst: 6, Answer: "drop"}, Skew: -5 * time.Minute}, `{"throttle":{"rate":5,"burst":6,"answer":"drop"},"skew":"-5m"}`},
		{&FaultMatch{}, `{}`},
		{&FaultMatch{Version: "v2", Methods: []string{"GET", "PUT"}}, `{"methods":["GET","PUT"],"version":"v2"}`},
	} {
		if got := string(JSON(test.block)); got != test.want {
			t.Errorf("%s\nwant\n%s", got, test.want)
		}
	}
}

func TestEvent_KindIsTheKeyThatIsSet(t *testing.T) {
	for want, e := range map[string]Event{
		"spot": {Spot: "stop", Rebalance: "1m"}, "rebalance": {Rebalance: "true"}, "maintenance": {Maintenance: "instance-stop"}, "asg": {ASG: "gone"},
		"profile": {Profile: "detach"}, "credentials": {Credentials: "rotate"}, "tags": {Tags: &EventTags{}}, "options": {Options: &EventOptions{}},
		"network": {Network: "detach"}, "public_ip": {PublicIP: "release"}, "restart": {Restart: true},
		"set": {Set: map[string]string{"a": "b"}, Unset: []string{"c"}}, "unset": {Unset: []string{"c"}}, "": {},
	} {
		if got := e.Kind(); got != want {
			t.Errorf("kind %q, want %q", got, want)
		}
	}
}
