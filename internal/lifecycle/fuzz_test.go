package lifecycle

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// choices reads decisions from fuzzed bytes; the zero byte when there are no more.
type choices struct{ data []byte }

func (c *choices) more() bool { return len(c.data) > 0 }

func (c *choices) next(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

func pick[T any](c *choices, values ...T) T { return values[c.next(len(values))] }

// event makes an event that a configuration may have, though not on every instance.
func (c *choices) event() config.Event {
	var e config.Event
	mac := pick(c, "", mac0, mac1, "02:00:00:00:00:03", "06:00:00:00:00:ff")
	switch c.next(13) {
	case 0:
		e = config.Event{
			Spot: pick(c, "terminate", "stop", "hibernate"), Then: pick(c, "", "stay", "clear", "gone", "exit"),
			Rebalance: pick(c, "", "0s", "10m"), Notice: pick(c, nil, new(time.Duration(0)), new(5*time.Second)),
		}
	case 1:
		e = config.Event{Rebalance: "true"}
	case 2:
		e = config.Event{
			Maintenance: pick(c, "instance-stop", "system-reboot"), NotBefore: pick(c, "", "2026-12-01T00:00:00Z", "2020-01-01T00:00:00Z"),
			NotAfter: pick(c, "", "2027-01-01T00:00:00Z"), EventID: pick(c, "", "instance-event-1"),
		}
	case 3:
		e = config.Event{ASG: pick(c, "InService", "gone")}
	case 4:
		e = config.Event{Profile: pick(c, "detach", "attach", "replace", "break"), Role: pick(c, "other", ""), Code: pick(c, "NoRole", "InstanceProfileNotFound", "Failed")}
	case 5:
		e = config.Event{Credentials: "rotate"}
	case 6:
		e = config.Event{Tags: &config.EventTags{Set: map[string]string{pick(c, "K", "a b", "a/b"): "v"}, Unset: []string{pick(c, "K", "Name")}}}
	case 7:
		e = config.Event{Options: &config.EventOptions{HTTPTokens: pick(c, "", "required"), InstanceMetadataTags: pick(c, "", "enabled", "disabled")}}
	case 8:
		e = config.Event{
			Network: pick(c, "add-ip", "remove-ip"), MAC: mac,
			Address: pick(c, "10.0.0.20", "10.0.0.11", "10.0.0.10", "2001:db8::9", "10.0.1.0/28", "2001:db8:0:0:5::/80", "192.168.0.1"),
		}
	case 9:
		e = config.Event{Network: "attach"}
		if c.next(2) == 1 {
			e.Interface = &config.NetworkInterface{MAC: mac, DeviceNumber: c.next(4), LocalIPv4s: pick(c, nil, []string{}, []string{"10.0.0.30"}, []string{"10.9.0.1"})}
		}
	case 10:
		e = config.Event{Network: "detach", MAC: mac}
	case 11:
		e = config.Event{PublicIP: pick(c, "198.51.100.7", "203.0.113.25", "release")}
	default:
		e = config.Event{Restart: true, UserData: config.Secret(pick(c, "", "new")), KeepIP: c.next(2) == 1, ForgetTokens: c.next(2) == 1}
	}
	if c.next(4) == 3 {
		paths := []string{
			"meta-data/x", "meta-data/x/y", "meta-data/x/y/z", "meta-data/spot", "meta-data/spot/x", "meta-data/mac", "meta-data/mac/x", "user-data", "meta-data/iam",
			"meta-data/tags/instance/K", "meta-data/tags/instance", "meta-data/network", macsDir + mac1, macsDir + mac1 + "/x", "dynamic/instance-identity/document",
			"meta-data/events/recommendations", "meta-data/public-ipv4",
		}
		e = config.Event{Set: map[string]string{pick(c, paths...): "v"}, Unset: []string{pick(c, paths...)}}
	}
	e.Lag = pick(c, 0, 10*time.Second)
	switch c.next(5) {
	case 1:
		e.In = 30 * time.Second
	case 2:
		e.At = "2026-11-29T12:00:40Z"
	case 3:
		e.AfterRequests = &config.AfterRequests{Count: 2}
	}
	e.Clients = pick(c, nil, nil, []string{"127.0.0.1"}, []string{"127.0.0.0/8"}, []string{"clients[0]"})
	if e.Clients == nil && c.next(4) == 3 {
		e.FirstClients = 1
	}
	return e
}

// instanceFor makes one of several instances.
func (c *choices) instanceFor() Base {
	b := valid()
	if c.next(2) == 1 {
		b = withInterface(b)
		b.Instance.EC2.NetworkInterfaces = append(b.Instance.EC2.NetworkInterfaces, config.NetworkInterface{DeviceNumber: 2})
	}
	switch c.next(5) {
	case 1:
		b.Instance.EC2.PublicIPv4 = ""
	case 2:
		b.Instance.EC2.LocalIPv4, b.Instance.EC2.LocalIPv4s, b.Instance.EC2.PublicIPv4, b.Instance.EC2.IPv6 = "", []string{}, "", "2001:db8::5"
	case 3:
		b.Instance.EC2.LocalIPv4s, b.Instance.EC2.PublicIPv4s = []string{"10.0.0.10", "10.0.0.20"}, []string{"203.0.113.25", "203.0.113.26"}
	case 4:
		b.Instance.Credentials = config.Credentials{}
	}
	if c.next(2) == 1 {
		b.Instance.EC2.MetadataOptions.InstanceMetadataTags = "disabled"
		b.Instance.EC2.Tags = map[string]string{"a": "1", "a/b": "2"}
	}
	switch c.next(4) {
	case 1:
		b.Instance.Metadata = map[string]*string{"meta-data/x/y": new("1"), "meta-data/spot/x": new("2"), "meta-data/iam/info": nil}
	case 2:
		b.Instance.Metadata = map[string]*string{"meta-data/autoscaling": new("1"), "meta-data/spot": new("2"), "meta-data/network": nil}
	}
	return b
}

// FuzzApply runs sequences of events: whatever they are, there is a tree, and what the events were applied to stays.
func FuzzApply(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	for seed := range byte(24) {
		data := make([]byte, 200)
		for i := range data {
			data[i] = seed*31 + byte(i*i)*seed + byte(i)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &choices{data}
		twin := &choices{data}
		b, unchanged := c.instanceFor(), twin.instanceFor()
		other := c.instanceFor() // after a reload
		if len(instance.Check(&b.Instance))+len(instance.Check(&other.Instance)) > 0 {
			t.Fatal("an instance is wrong")
		}
		var s Set
		now := start
		for i := 0; c.more() && i < 30; i++ {
			now = now.Add(time.Duration(c.next(20)) * time.Second)
			switch c.next(6) {
			case 0:
				if len(s.Events()) > 0 {
					s, _ = s.Remove(s.Events()[c.next(len(s.Events()))].ID)
				}
			case 1:
				verb := config.MaintenanceVerb{Verb: pick(c, "complete", "cancel", "reschedule"), NotBefore: "2026-12-05T00:00:00Z"}
				s, _, _ = s.Maintain("instance-event-1", verb, now)
			default:
				s, _, _ = s.Add(fmt.Sprint("e", i), c.event(), b, now)
			}
			ids, _ := s.Request("meta-data/mac")
			for _, id := range ids {
				s, _ = s.Start(id, b, now)
			}
			s = s.Advance(now)
			sel := s.Select(netip.MustParseAddr(pick(c, "127.0.0.1", "127.0.0.2", "::1")), c.next(2)-1, now)
			wantTree(t, s, sel, b, now)
			wantTree(t, s, sel, other, now)
			wantTree(t, s, Selection{^uint64(0), ^uint64(0)}, other, now.Add(time.Hour))
			for _, e := range s.Events() {
				for _, r := range e.Stages(other, now) {
					wantTreeOf(t, r)
				}
				Timeline(e.Spec)
			}
		}
		if !reflect.DeepEqual(b, unchanged) {
			t.Error("the input has changed")
		}
	})
}

func wantTree(t *testing.T, s Set, sel Selection, b Base, now time.Time) {
	t.Helper()
	r := s.Apply(sel, b.Instance, b.UserData, now)
	wantTreeOf(t, r)
	if found := instance.Check(&r.Instance); len(found) > 0 {
		t.Errorf("the instance cannot exist: %v", found[0])
	}
}

func wantTreeOf(t *testing.T, r Result) {
	t.Helper()
	if _, err := tree.New(instance.New(&r.Instance, r.UserData), r.Instance.Metadata); err != nil {
		t.Errorf("no tree: %v", err)
	}
}
