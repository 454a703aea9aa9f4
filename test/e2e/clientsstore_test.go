//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// store is an S3 in memory, with one bucket, and an EC2 that describes one instance. Both answer only requests that are signed with
// one key id and one session token.
type store struct {
	key, token string

	mu      sync.Mutex
	objects map[string][]byte // by key
	refused []string          // requests with other credentials
	allowed int
}

// bucket is the name of the only bucket.
const bucket = "bucket"

// serve serves the store at a listener until the test ends, by TLS with a certificate of its own if secure.
func (s *store) serve(t *testing.T, l net.Listener, secure bool) (port string) {
	t.Helper()
	server := httptest.NewUnstartedServer(s)
	_ = server.Listener.Close()
	server.Listener = l
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return portOf(l.Addr().String())
}

// signed returns how many requests had the credentials. It fails the test if one had others.
func (s *store) signed(t *testing.T) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, request := range s.refused {
		t.Errorf("not signed with the role's credentials: %s", request)
	}
	return s.allowed
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(r.Header.Get("Authorization"), " Credential="+s.key+"/") || r.Header.Get("X-Amz-Security-Token") != s.token {
		s.refused = append(s.refused, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	}
	s.allowed++
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case name == "" && r.Method == http.MethodPost:
		describe(w, r)
	case name != bucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case key == "":
		s.serveBucket(w, r)
	default:
		s.serveObject(w, r, key)
	}
}

func (s *store) serveBucket(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodHead:
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	case query.Has("location"):
		writeXML(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`+region+`</LocationConstraint>`)
	default:
		s.list(w, query)
	}
}

// list answers both versions of ListObjects, in one page.
func (s *store) list(w http.ResponseWriter, query url.Values) {
	type prefix struct{ Prefix string }
	type content struct {
		Key, LastModified, ETag, StorageClass string
		Size                                  int
	}
	page := struct {
		XMLName                 xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name, Prefix, Delimiter string
		KeyCount, MaxKeys       int
		IsTruncated             bool
		Contents                []content
		CommonPrefixes          []prefix
	}{Name: bucket, Prefix: query.Get("prefix"), Delimiter: query.Get("delimiter"), MaxKeys: 1000}
	for key, body := range s.objects {
		rest, ok := strings.CutPrefix(key, page.Prefix)
		if !ok {
			continue
		}
		if dir, _, deeper := strings.Cut(rest, page.Delimiter); page.Delimiter != "" && deeper {
			if p := (prefix{page.Prefix + dir + page.Delimiter}); !slices.Contains(page.CommonPrefixes, p) {
				page.CommonPrefixes = append(page.CommonPrefixes, p)
			}
			continue
		}
		page.Contents = append(page.Contents, content{
			Key: key, Size: len(body), ETag: etag(body), StorageClass: "STANDARD", LastModified: "2026-02-03T04:05:06.000Z",
		})
	}
	page.KeyCount = len(page.Contents) + len(page.CommonPrefixes)
	out, err := xml.Marshal(page)
	if err != nil {
		panic(err)
	}
	writeXML(w, string(out))
}

func (s *store) serveObject(w http.ResponseWriter, r *http.Request, key string) {
	body, ok := s.objects[key]
	switch r.Method {
	case http.MethodPut:
		received, err := payload(r)
		if err != nil {
			refuse(w, http.StatusBadRequest, "IncompleteBody")
			return
		}
		s.objects[key] = received
		w.Header().Set("ETag", etag(received))
	case http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		if !ok {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", etag(body))
		http.ServeContent(w, r, "", time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), bytes.NewReader(body))
	}
}

// payload is the body of a PUT, which may come in signed chunks (aws-chunked): SIZE;chunk-signature=…, data, empty at the end.
func payload(r *http.Request) ([]byte, error) {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return io.ReadAll(r.Body)
	}
	var whole []byte
	for in := bufio.NewReader(r.Body); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 32)
		if err != nil || n == 0 {
			return whole, err
		}
		chunk := make([]byte, n+2) // with the line's end
		if _, err := io.ReadFull(in, chunk); err != nil {
			return nil, err
		}
		whole = append(whole, chunk[:n]...)
	}
}

// describe answers as the EC2 API does.
func describe(w http.ResponseWriter, r *http.Request) {
	const head = ` xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>`
	switch action := r.FormValue("Action"); action {
	case "DescribeAvailabilityZones":
		writeXML(w, `<DescribeAvailabilityZonesResponse`+head+`<availabilityZoneInfo><item><zoneName>`+zone+
			`</zoneName><zoneId>apse2-az3</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>`)
	case "DescribeInstances":
		writeXML(w, `<DescribeInstancesResponse`+head+`<reservationSet><item><ownerId>123456789012</ownerId><instancesSet><item><instanceId>`+
			instanceID+`</instanceId><imageId>`+imageID+`</imageId><instanceState><code>16</code><name>running</name></instanceState>`+
			`<instanceType>m5.large</instanceType><privateIpAddress>10.20.1.10</privateIpAddress><placement><availabilityZone>`+zone+
			`</availabilityZone></placement></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`)
	default:
		refuse(w, http.StatusBadRequest, "InvalidAction")
	}
}

func writeXML(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, xml.Header+body)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "%s<Error><Code>%s</Code><Message>refused by the test</Message></Error>", xml.Header, code)
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}
