package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// processors returns the processors that this process may use.
func processors() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("%w; make bench needs Linux", err)
	}
	_, rest, _ := strings.Cut(string(status), "\nCpus_allowed_list:")
	list, _, _ := strings.Cut(rest, "\n")
	return parseCPUs(strings.TrimSpace(list))
}

// parseCPUs expands a list such as 0-2,7.
func parseCPUs(list string) ([]string, error) {
	var cpus []string
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("/proc/self/status: Cpus_allowed_list %q is no list of processors", list)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, strconv.Itoa(cpu))
		}
	}
	return cpus, nil
}

// conditions describes the machine and the run.
func (b *bench) conditions() string {
	load := "wrk"
	if b.identities {
		load = "its clients"
	}
	pinned := "server and " + load + " share all processors"
	if b.serverCPUs != "" {
		pinned = fmt.Sprintf("server on %s and wrk on %s", b.serverCPUs, b.wrkCPUs)
	}
	model := "an unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.TrimLeft(line, "\t :")
		}
	}
	average, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d rounds of %d s; %s, %d of them, %s; %s; load average at the end %s.\n",
		b.rounds, b.seconds, model, runtime.NumCPU(), runtime.Version(), pinned, strings.Join(strings.Fields(string(average))[:3], " "))
}
