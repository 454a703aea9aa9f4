//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mac2 is an interface that an event attaches.
const mac2 = "06:1b:2c:3d:4e:61"

// attachment is that interface, as an event describes it.
const attachment = `{"device_number":2,"mac":"` + mac2 + `","interface_id":"eni-0c0c0c0c0c0c0c0c0","subnet_id":"subnet-0c0c0c0c0c0c0c0c0",` +
	`"local_ipv4s":["10.20.3.10","10.20.3.11"],"ipv6s":["2001:db8:20:102::10"],"ipv4_prefixes":["10.20.3.32/28"],` +
	`"subnet_ipv4_cidr_block":"10.20.3.0/24","subnet_ipv6_cidr_blocks":["2001:db8:20:102::/64"]}`

// crawlStep is an event in one of its phases.
type crawlStep struct {
	name, event string
	phase       string // the first after pending if empty
	verb        string // for a further POST, when the phase is there
	interfaces  int    // that cloud-init configures; 0 for the two of instance
}

// crawlSteps are the events of every kind in every phase. The long leads keep a phase until the crawl is over.
func crawlSteps() []crawlStep {
	steps := []crawlStep{
		{name: "spot before the notice", event: `{"spot":"terminate","rebalance":"1h"}`, phase: "rebalance"},
		{name: "spot after the action time", event: `{"spot":"terminate","notice":"1s"}`, phase: "acted"},
		{name: "spot cleared", event: `{"spot":"stop","notice":"1s","then":"clear"}`, phase: "acted"},
		{name: "spot hibernate", event: `{"spot":"hibernate"}`, phase: "acted"},
		{name: "rebalance", event: `{"rebalance":true}`},
		{name: "profile to be detached", event: `{"profile":"detach","lag":"1h"}`, phase: "lag"},
		{name: "profile detached", event: `{"profile":"detach"}`, phase: "active"},
		{name: "profile replaced", event: `{"profile":"replace","role":"other-role"}`, phase: "active"},
		{name: "profile attached", event: `{"profile":"attach"}`, phase: "active"},
		{name: "profile to be attached", event: `{"profile":"attach","lag":"1h"}`, phase: "lag"},
		{name: "credentials rotated", event: `{"credentials":"rotate"}`},
		{name: "tags", event: `{"tags":{"set":{"team:event":"x"},"unset":["Name"]}}`},
		{name: "all tags removed", event: `{"tags":{"unset":["Name","team:owner","stage=x"]}}`},
		{name: "tags off", event: `{"options":{"instance_metadata_tags":"disabled"}}`},
		{name: "tokens required", event: `{"options":{"http_tokens":"required"}}`},
		{name: "address added", event: `{"network":"add-ip","address":"10.20.1.77"}`, phase: "complete"},
		{name: "address to be added", event: `{"network":"add-ip","address":"10.20.1.77","lag":"1h"}`, phase: "partial"},
		{name: "address removed", event: `{"network":"remove-ip","address":"10.20.2.11","mac":"` + mac1 + `"}`, phase: "complete"},
		{name: "interface half attached", event: `{"network":"attach","interface":` + attachment + `,"lag":"1h"}`, phase: "partial", interfaces: 3},
		{name: "interface attached", event: `{"network":"attach","interface":` + attachment + `}`, phase: "complete", interfaces: 3},
		{name: "interface detached", event: `{"network":"detach","mac":"` + mac1 + `"}`, phase: "complete", interfaces: 1},
		{name: "public address set", event: `{"public_ip":"198.51.100.7"}`},
		{name: "public address released", event: `{"public_ip":"release"}`},
		{name: "restart", event: `{"restart":true,"user_data":"#cloud-config\n{}\n"}`},
		{name: "restart without tokens", event: `{"restart":true,"forget_tokens":true}`},
		{name: "leaf set", event: `{"set":{"meta-data/mine/leaf":"x"}}`},
		{name: "leaf unset", event: `{"unset":["meta-data/ramdisk-id","meta-data/ami-launch-index"]}`},
		{name: "auto scaling gone", event: `{"asg":"gone"}`},
	}
	for _, action := range []string{"terminate", "stop"} {
		steps = append(steps, crawlStep{name: "spot " + action, event: `{"spot":"` + action + `","notice":"1h"}`, phase: "noticed"})
	}
	for _, code := range []string{"instance-stop", "instance-retirement", "instance-reboot", "system-reboot", "system-maintenance"} {
		event := `{"maintenance":"` + code + `"}`
		steps = append(steps,
			crawlStep{name: code, event: event, phase: "scheduled"},
			crawlStep{name: code + " completed", event: event, verb: "complete"},
			crawlStep{name: code + " canceled", event: event, verb: "cancel"})
	}
	for _, state := range []string{"InService", "Terminated", "Warmed:Stopped"} {
		steps = append(steps, crawlStep{name: "auto scaling " + state, event: `{"asg":"` + state + `"}`})
	}
	for _, code := range []string{"InstanceProfileNotFound", "NoRole", "AssumeRoleUnauthorizedAccess"} {
		steps = append(steps, crawlStep{name: "profile broken: " + code, event: `{"profile":"break","code":"` + code + `"}`, phase: "active"})
	}
	return steps
}

// TestEvents_CloudInitCrawlsInEveryPhase crawls all metadata while each event lasts. cloud-init gives up on a listed entry that is
// not there.
func TestEvents_CloudInitCrawlsInEveryPhase(t *testing.T) {
	needFile(t, "/usr/lib/python3/dist-packages/cloudinit", "cloud-init")
	site := newSite(t, serviceIPv4)
	site.nics(t)
	site.attach(t, "eth2", mac2)
	s := site.simulate(t, mockHome(t, instance), listenIPv4)
	for i, step := range append([]crawlStep{{name: "no event"}}, crawlSteps()...) {
		t.Run(step.name, func(t *testing.T) {
			defer s.clear(t)
			if step.event != "" {
				id := fmt.Sprintf("e%d", i)
				s.event(t, id, step.event)
				s.wait(t, id, step.phase)
				if step.verb != "" {
					s.call(t, http.MethodPost, "/v1/events/"+id, `{"verb":"`+step.verb+`"}`, http.StatusOK)
				}
			}
			got := site.cloudInit(t, "ec2e1916-9099-7caf-fd21-012345abcdef", cloudInitVersions[0])[0]
			if got.InstanceID != instanceID || got.Version != cloudInitVersions[0] {
				t.Errorf("crawled %+v", got)
			}
			if len(got.Dropped)+len(got.Complaints) > 0 {
				t.Errorf("cloud-init dropped %q and complains %q", got.Dropped, got.Complaints)
			}
			want := step.interfaces
			if want == 0 {
				want = 2
			}
			if len(got.Network) != want {
				t.Errorf("%d interfaces, want %d: %+v", len(got.Network), want, got.Network)
			}
		})
	}
}

// TestEvents_CloudInitReadsTheAttachedInterface crawls before, in the partial phase, and when the attachment is complete.
func TestEvents_CloudInitReadsTheAttachedInterface(t *testing.T) {
	needFile(t, "/usr/lib/python3/dist-packages/cloudinit", "cloud-init")
	site := newSite(t, serviceIPv4)
	site.nics(t)
	site.attach(t, "eth2", mac2)
	s := site.simulate(t, mockHome(t, instance), listenIPv4)
	crawl := func() map[string]crawledNIC {
		return site.cloudInit(t, "ec2e1916-9099-7caf-fd21-012345abcdef", cloudInitVersions[0])[0].Network
	}
	before := crawl()
	s.event(t, "n", `{"network":"attach","interface":`+attachment+`,"lag":"8s"}`)
	if _, known := crawl()["eth2"]; !known {
		t.Error("cloud-init does not find the interface while the attachment is partial")
	}
	s.wait(t, "n", "complete")
	after := crawl()
	want := crawledNIC{MAC: mac2, DHCP4: true, DHCP6: true, Metric: 300, Addresses: []string{"10.20.3.11/24"}}
	if diff := cmp.Diff(want, after["eth2"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.clear(t)
	if diff := cmp.Diff(before, crawl()); diff != "" {
		t.Errorf("after the event (-want +got):\n%s", diff)
	}
}

// simulate runs the daemon inside the namespace, and gives its control socket.
func (n netns) simulate(t *testing.T, home string, listen ...string) simulated {
	t.Helper()
	const own = "127.0.0.1:5000"
	n.serve(t, home, append([]string{own}, listen...)...)
	return newSimulated(t, socketOf(t, n.output(t, nil, "curl", "-qfsS", "--max-time", "5", "http://"+own+"/status")))
}
