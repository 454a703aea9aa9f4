package web

import "net/http"

// Route is what a request asks for, one of a closed list: for the access log and for metrics.
type Route uint8

// The routes. RouteOther is that of a request for which none has been noted.
const (
	RouteOther Route = iota
	RouteToken
	RouteCredentials
	RouteMetaData
	RouteDynamic
	RouteUserData
	RouteListing
	RouteStatus
	RouteECS
	RoutePodIdentity
	// Routes is how many there are.
	Routes
)

// String is the route's name in logs and metrics.
func (r Route) String() string {
	return [Routes]string{
		RouteOther: "other", RouteToken: "token", RouteCredentials: "credentials", RouteMetaData: "meta_data", RouteDynamic: "dynamic",
		RouteUserData: "user_data", RouteListing: "listing", RouteStatus: "status", RouteECS: "ecs", RoutePodIdentity: "pod_identity",
	}[r]
}

// SetRoute notes what a request asks for.
func SetRoute(r *http.Request, route Route) {
	if info := infoOf(r); info != nil {
		info.route = route
	}
}

// WithRoute notes the route of all requests of a handler.
func WithRoute(route Route, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		SetRoute(r, route)
		next(w, r)
	}
}

// routeOf returns what SetRoute has noted.
func routeOf(r *http.Request) Route {
	if info := infoOf(r); info != nil {
		return info.route
	}
	return RouteOther
}
