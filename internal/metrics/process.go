package metrics

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// processMetrics are those that are told of the process. The others of the library are of no use here.
var processMetrics = []string{
	"process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
	"process_start_time_seconds",
}

// registerProcess registers what is told of the process and of Go, under the names that dashboards know.
func registerProcess(to prometheus.Registerer) {
	to.MustRegister(
		chosen{collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})},
		gaugeOf("go_info", "The version of Go; always 1.", prometheus.Labels{"version": runtime.Version()}, func() float64 { return 1 }),
		gaugeOf("go_goroutines", "Goroutines.", nil, func() float64 { return float64(runtime.NumGoroutine()) }),
		gaugeOf("go_threads", "Threads of the operating system that have been created.", nil, threads),
		gaugeOf("go_memstats_heap_alloc_bytes", "Bytes of heap objects.", nil, heap),
	)
}

func gaugeOf(name, help string, labels prometheus.Labels, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value)
}

func threads() float64 {
	n, _ := runtime.ThreadCreateProfile(nil)
	return float64(n)
}

// heap reads without stopping the world.
func heap() float64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return float64(sample[0].Value.Uint64())
}

// chosen leaves out all metrics of a collector but processMetrics.
type chosen struct{ prometheus.Collector }

// Describe tells the chosen metrics.
func (c chosen) Describe(to chan<- *prometheus.Desc) {
	all := make(chan *prometheus.Desc)
	go func() {
		c.Collector.Describe(all)
		close(all)
	}()
	for desc := range all {
		if isChosen(desc) {
			to <- desc
		}
	}
}

// Collect tells their values.
func (c chosen) Collect(to chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric)
	go func() {
		c.Collector.Collect(all)
		close(all)
	}()
	for metric := range all {
		if isChosen(metric.Desc()) {
			to <- metric
		}
	}
}

func isChosen(desc *prometheus.Desc) bool {
	return slices.ContainsFunc(processMetrics, func(name string) bool { return strings.Contains(desc.String(), `"`+name+`"`) })
}
