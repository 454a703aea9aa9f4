package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Record is a request of the metadata service and its answer. As a line of the access log, it has nothing that can be secret.
type Record struct {
	At     time.Time // of the answer's end
	Client string    // its address
	Method string
	Path   string // escaped, and without the query
	IMDS   string // what AccessLog.Version returns
	Status int    // 0: no answer was sent
	Bytes  int64  // of the answer's body
	Took   time.Duration
	// Role and Identity are those of Caller, Fault is what SetFault has noted; "" for none.
	Role, Identity, Fault string
}

// maxMethod is how many bytes of a method are recorded. Those of HTTP are shorter.
const maxMethod = 32

// record makes a record of a line. The memory that it holds is bounded: method and path are parts of the request line, of which package
// guard limits the URL, but not the method.
func (e *entry) record(r *http.Request) Record {
	method, path := e.method, r.URL.EscapedPath()
	if e.path != r.URL.Path { // AccessLog.LogPath leaves something out
		path = (&url.URL{Path: e.path}).EscapedPath()
	}
	if len(method) > maxMethod {
		method, path = strings.Clone(method[:maxMethod]), strings.Clone(path)
	}
	return Record{
		At: e.at, Client: e.client, Method: method, Path: path, IMDS: e.imds, Status: e.status, Bytes: e.bytes, Took: e.took,
		Role: e.caller.Role, Identity: e.caller.Identity, Fault: e.fault,
	}
}
