package metrics

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/web"
)

// codes are the statuses that the daemon sends without faults. Others, and no answer at all, are otherCode.
var codes = []int{200, 204, 400, 401, 403, 404, 405, 413, 414, 429, 431, 500, 503, 508}

const otherCode = "other"

// versions are the values of the label imds.
var versions = []string{"v1", "v2", "none"}

// requests counts requests. All series that clients can make exist from the start, and are held: none is looked up by its labels.
type requests struct {
	counters [web.Routes][3][]prometheus.Counter // by route, version and code
}

func newRequests(to prometheus.Registerer) *requests {
	r := new(requests)
	vec := counter("requests_total", "Requests answered, by what they ask for.", "route", "status", "imds")
	to.MustRegister(vec)
	for route := range web.Routes {
		for v, version := range versions {
			if !usual(route, version) {
				continue
			}
			for _, code := range codes {
				r.counters[route][v] = append(r.counters[route][v], vec.WithLabelValues(route.String(), strconv.Itoa(code), version))
			}
			r.counters[route][v] = append(r.counters[route][v], vec.WithLabelValues(route.String(), otherCode, version))
		}
	}
	return r
}

// usual reports whether requests of a route have a version of the protocol, and this one.
func usual(route web.Route, version string) bool {
	switch route {
	case web.RouteStatus, web.RouteECS, web.RoutePodIdentity:
		return version == "none"
	case web.RouteOther:
		return true
	default:
		return version != "none"
	}
}

// count counts a request.
func (r *requests) count(route web.Route, status int, version string) {
	v := 2
	switch version {
	case "v1":
		v = 0
	case "v2":
		v = 1
	}
	of := r.counters[route][v]
	if of == nil {
		of = r.counters[web.RouteOther][v]
	}
	code := slices.Index(codes, status)
	if code < 0 {
		code = len(codes)
	}
	of[code].Inc()
}
