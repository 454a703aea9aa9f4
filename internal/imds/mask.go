package imds

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Masked returns a credentials document without its secrets: of the key id the last 4 characters are left, of the secret key and the
// token nothing. Other bytes stay. masked is false for a document without credentials, such as that of an error.
func Masked(body []byte) (without []byte, masked bool) {
	var d struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string `json:"SecretAccessKey"`
		Token           string `json:"Token"`
	}
	if json.Unmarshal(body, &d) != nil {
		return []byte(redacted), true // what is in it is not known
	}
	for _, v := range []struct{ value, mask string }{
		{d.AccessKeyID, maskedKey(d.AccessKeyID)}, {d.SecretAccessKey, "[redacted]"}, {d.Token, "[redacted]"},
	} {
		if v.value == "" {
			continue
		}
		body, masked = bytes.ReplaceAll(body, []byte(quote(v.value)), []byte(quote(v.mask))), true
	}
	return body, masked
}

// maskedKey is as long as the key id.
func maskedKey(id string) string {
	const left = 4
	if len(id) < 3*left {
		return strings.Repeat("*", len(id))
	}
	return strings.Repeat("*", len(id)-left) + id[len(id)-left:]
}
