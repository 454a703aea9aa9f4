package podproc

import (
	"slices"
	"strings"
	"testing"
)

const (
	uidA    = "01234567-89ab-cdef-0123-456789abcdef"
	uidB    = "11111111-2222-3333-4444-555555555555"
	static  = "0123456789abcdef0123456789abcdef"
	sliceA  = "pod01234567_89ab_cdef_0123_456789abcdef.slice"
	sliceB  = "pod11111111_2222_3333_4444_555555555555.slice"
	someCID = "4f1c0a6f9f2b7f0f1f2e3d4c5b6a79881726354433221100ffeeddccbbaa9988"
)

// cgroups are what /proc/PID/cgroup has under the runtimes and drivers.
var cgroups = []struct {
	name string
	text string
	want []string
}{
	{name: "v2, systemd, containerd", text: "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + sliceA + "/cri-containerd-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "v2, systemd, guaranteed", text: "0::/kubepods.slice/kubepods-" + sliceA + "/cri-containerd-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "v2, systemd, cri-o", text: "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-" + sliceA + "/crio-" + someCID + ".scope/container\n", want: []string{uidA}},
	{name: "v2, systemd, cri-o's monitor", text: "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-" + sliceA + "/crio-conmon-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "v2, cgroupfs", text: "0::/kubepods/burstable/pod" + uidA + "/" + someCID + "\n", want: []string{uidA}},
	{name: "v2, cgroupfs, guaranteed", text: "0::/kubepods/pod" + uidA + "/" + someCID + "\n", want: []string{uidA}},
	{name: "v2, kind", text: "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-" + sliceA + "/cri-containerd-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "v2, kind seen from the machine", text: "0::/system.slice/docker-" + someCID + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-" + sliceA + "/cri-containerd-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "v1, kind in docker", text: "12:pids:/docker/" + someCID + "/kubelet/kubepods/besteffort/pod" + uidA + "/" + someCID + "\n1:name=systemd:/docker/" + someCID + "/kubelet/kubepods/besteffort/pod" + uidA + "/" + someCID + "\n0::/\n", want: []string{uidA}},
	{name: "v1, k3s", text: "11:memory:/kubepods/burstable/pod" + uidA + "/" + someCID + "\n10:cpu,cpuacct:/kubepods/burstable/pod" + uidA + "/" + someCID + "\n0::/k3s\n", want: []string{uidA}},
	{name: "v1, systemd, cri-o", text: "4:devices:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + sliceA + "/crio-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "v1, mixed drivers", text: "6:cpuset:/system.slice/containerd.service/kubepods-burstable-" + sliceA + ":cri-containerd:" + someCID + "\n", want: []string{uidA}},
	{name: "v1, docker", text: "6:cpuset:/kubepods/besteffort/pod" + uidA + "/" + someCID + "\n", want: []string{uidA}},
	{name: "static pod, systemd", text: "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + static + ".slice/cri-containerd-" + someCID + ".scope\n", want: []string{static}},
	{name: "static pod, cgroupfs", text: "0::/kubepods/burstable/pod" + static + "/" + someCID + "\n", want: []string{static}},
	{name: "cgroup namespace, systemd", text: "0::/../../kubepods-besteffort-" + sliceA + "/cri-containerd-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "cgroup namespace, systemd, other quality", text: "0::/../../../kubepods-burstable.slice/kubepods-burstable-" + sliceA + "/cri-containerd-" + someCID + ".scope\n", want: []string{uidA}},
	{name: "cgroup namespace, cgroupfs", text: "0::/../../pod" + uidA + "/" + someCID + "\n", want: []string{uidA}},
	{name: "upper case", text: "0::/kubepods/pod" + strings.ToUpper(uidA) + "/x\n", want: []string{uidA}},
	{name: "hierarchies that differ", text: "2:cpu:/kubepods/pod" + uidA + "/x\n1:pids:/kubepods/pod" + uidB + "/x\n", want: []string{uidA, uidB}},

	{name: "cgroups that a pod made are its own", text: "0::/kubepods/burstable/pod" + uidA + "/" + someCID + "/kubepods/burstable/pod" + uidB + "/x\n", want: []string{uidA}},
	{name: "slices that a pod made are its own", text: "0::/kubepods.slice/kubepods-" + sliceA + "/cri-containerd-x.scope/kubepods.slice/kubepods-" + sliceB + "/x\n", want: []string{uidA}},
	{name: "another container of this pod", text: "0::/../cri-containerd-" + someCID + ".scope\n"},
	{name: "the node's init", text: "0::/init.scope\n"},
	{name: "the node's init from a cgroup namespace", text: "0::/../../../../init.scope\n"},
	{name: "kubelet", text: "0::/kubelet.slice/kubelet.service\n"},
	{name: "all pods", text: "0::/kubepods.slice/kubepods-burstable.slice\n"},
	{name: "docker's container", text: "0::/system.slice/docker-" + someCID + ".scope\n"},
	{name: "podman's pod", text: "0::/machine.slice/machine-libpod_pod_" + someCID + ".slice/libpod-" + someCID + ".scope\n"},
	{name: "a user's directory", text: "0::/user.slice/pod" + uidA + "\n"},
	{name: "another's slice", text: "0::/user.slice/notkubepods-" + sliceA + "\n"},
	{name: "too short", text: "0::/kubepods/pod" + uidA[1:] + "\n"},
	{name: "not hexadecimal", text: "0::/kubepods/pod" + "z" + uidA[1:] + "\n"},
	{name: "dash at the wrong place", text: "0::/kubepods/pod0-1234567-89ab-cdef-0123-456789abcde\n"},
	{name: "kernel thread", text: "0::/\n"},
	{name: "nothing", text: ""},
	{name: "no line of a cgroup", text: "kubepods/pod" + uidA + "\n"},
}

func TestPodUIDs_AreOfTheOutermostPod(t *testing.T) {
	for _, c := range cgroups {
		t.Run(c.name, func(t *testing.T) {
			if got := podUIDs(c.text); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q, of\n%s", got, c.want, c.text)
			}
		})
	}
}

func FuzzPodUIDs(f *testing.F) {
	for _, c := range cgroups {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, uid := range podUIDs(text) {
			if canonicalUID(uid) != uid || uid == "" {
				t.Errorf("%q is no UID as the API has it", uid)
			}
			if !strings.Contains(strings.ToLower(strings.ReplaceAll(text, "_", "-")), "pod"+uid) {
				t.Errorf("%q is not in the text", uid)
			}
		}
		// Whatever a pod names its own cgroups, it stays that pod.
		line := "0::/kubepods/burstable/pod" + uidA + "/" + strings.ReplaceAll(text, "\n", "") + "\n"
		if got := podUIDs(line); !slices.Equal(got, []string{uidA}) {
			t.Errorf("got %q of %q", got, line)
		}
	})
}
