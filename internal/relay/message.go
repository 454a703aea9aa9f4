package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/credentials"
)

// Protocol is the version of the lines that the two ends exchange.
const Protocol = 1

const (
	// maxLine is the size in bytes of the longest line. Credentials take about 2 KiB, a wish less than 1 KiB without long annotations.
	maxLine = 64 << 10
	// maxDuration bounds the durations of a wish.
	maxDuration = 24 * time.Hour
)

// Reasons to say farewell.
const (
	byeReplaced = "replaced" // another laptop has connected
	byeProtocol = "protocol" // the other end's version does not fit
)

// message is a line of the stream. Of its fields, one is set, and ID with those of an answer and a wish. No way of printing it shows
// more than its kind.
type message struct {
	Hello       *hello
	ID          uint64
	Want        *Wish
	Drop        uint64 // the ID of a wish whose answer is no longer wanted
	Credentials *credentials.Credentials
	Error       *credentials.Error
	Ping        bool
	Retry       bool // the laptop has credentials that it could not give before
	Bye         *bye
}

// hello is the first line of each end.
type hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`          // of the program, for people
	Feeder   string `json:"feeder,omitempty"` // tells laptops apart; "" from the pod
}

// bye is the last line of an end that closes the stream on purpose.
type bye struct {
	Why  string `json:"why"`
	Text string `json:"text"`
}

// Error is the text for people.
func (b *bye) Error() string { return b.Text }

// String names the kind of the message.
func (m message) String() string {
	kind := "empty"
	switch {
	case m.Hello != nil:
		kind = "hello"
	case m.Want != nil:
		kind = "wish"
	case m.Drop != 0:
		kind = "drop"
	case m.Credentials != nil:
		kind = "credentials"
	case m.Error != nil:
		kind = "error"
	case m.Ping:
		kind = "ping"
	case m.Retry:
		kind = "retry"
	case m.Bye != nil:
		kind = "bye"
	}
	return fmt.Sprintf("message %d: %s [redacted]", m.ID, kind)
}

// Format redacts under every verb, %#v and %x included.
func (m message) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// LogValue redacts in logs.
func (m message) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText redacts in JSON and other encodings; encode writes the line.
func (m message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// wire is a line as JSON has it. It is a local of encode and decode alone, since its JSON is not redacted.
type wire struct {
	Hello       *hello           `json:"hello,omitempty"`
	ID          uint64           `json:"id,omitempty"`
	Want        *wireWish        `json:"want,omitempty"`
	Drop        uint64           `json:"drop,omitempty"`
	Credentials *wireCredentials `json:"credentials,omitempty"`
	Error       *wireError       `json:"error,omitempty"`
	Ping        bool             `json:"ping,omitempty"`
	Retry       bool             `json:"retry,omitempty"`
	Bye         *bye             `json:"bye,omitempty"`
}

type wireWish struct {
	Subject         caller.Subject `json:"subject"`
	Role            string         `json:"role,omitempty"`
	SessionName     string         `json:"session_name,omitempty"`
	DurationMS      int64          `json:"duration_ms,omitempty"`
	RefreshBeforeMS int64          `json:"refresh_before_ms,omitempty"`
}

type wireCredentials struct {
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	Expiration      time.Time `json:"expiration"`
	LastUpdated     time.Time `json:"last_updated"`
	ARN             string    `json:"arn,omitempty"`
	AccountID       string    `json:"account_id,omitempty"`
}

type wireError struct {
	Code      string `json:"code"`
	AWSCode   string `json:"aws_code,omitempty"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary,omitempty"`
	Throttled bool   `json:"throttled,omitempty"`
}

// Format redacts under every verb.
func (wire) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Format redacts under every verb.
func (wireWish) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Format redacts under every verb.
func (wireCredentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

var (
	errTooLong = fmt.Errorf("relay: a line is longer than %d KiB", maxLine>>10)
	errGarbage = errors.New("relay: the other end sent a line that is no message; run the same version of mock-ec2-metadata-kube at both ends")
)

// encode makes the line, with its end. It fails if the line is too long.
func (m message) encode() ([]byte, error) {
	w := wire{Hello: m.Hello, ID: m.ID, Drop: m.Drop, Ping: m.Ping, Retry: m.Retry, Bye: m.Bye, Error: (*wireError)(m.Error)}
	if m.Want != nil {
		w.Want = &wireWish{m.Want.Subject, m.Want.Role, m.Want.SessionName, m.Want.Duration.Milliseconds(), m.Want.RefreshBefore.Milliseconds()}
	}
	w.Credentials = (*wireCredentials)(m.Credentials)
	line, err := json.Marshal(w)
	if err != nil {
		return nil, errors.New("relay: a message cannot be written as JSON") // err may quote values
	}
	if len(line) >= maxLine {
		return nil, errTooLong
	}
	return append(line, '\n'), nil
}

// decode reads a line. Its errors quote nothing of it. Fields that it does not know are ignored.
func decode(line []byte) (message, error) {
	var w wire
	if json.Unmarshal(line, &w) != nil {
		return message{}, errGarbage // the error of json quotes values
	}
	m := message{
		Hello: w.Hello, ID: w.ID, Drop: w.Drop, Ping: w.Ping, Retry: w.Retry, Bye: w.Bye,
		Credentials: (*credentials.Credentials)(w.Credentials), Error: (*credentials.Error)(w.Error),
	}
	if w.Want != nil {
		duration, ok := milliseconds(w.Want.DurationMS)
		refresh, ok2 := milliseconds(w.Want.RefreshBeforeMS)
		if !ok || !ok2 {
			return message{}, errGarbage
		}
		m.Want = &Wish{Subject: w.Want.Subject, Role: w.Want.Role, SessionName: w.Want.SessionName, Duration: duration, RefreshBefore: refresh}
	}
	return m, nil
}

// milliseconds reads a duration of a wish, which is not negative.
func milliseconds(n int64) (time.Duration, bool) {
	return time.Duration(n) * time.Millisecond, 0 <= n && n <= maxDuration.Milliseconds()
}
