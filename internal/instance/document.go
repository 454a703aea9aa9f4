package instance

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// IdentityDocument encodes dynamic/instance-identity/document byte for byte as the service does (imds-reference section
// 6.4): alphabetical except marketplaceProductCodes, two-space indent, " : " after keys, no final newline.
func (in *Instance) IdentityDocument() []byte {
	var b bytes.Buffer
	b.WriteString("{\n")
	field := func(key, value, end string) {
		b.WriteString(`  "` + key + `" : ` + value + end)
	}
	field("accountId", quote(in.AccountID), ",\n")
	field("architecture", quote(in.Architecture), ",\n")
	field("availabilityZone", quote(in.AvailabilityZone), ",\n")
	field("billingProducts", "null", ",\n")
	field("devpayProductCodes", "null", ",\n")
	field("marketplaceProductCodes", list(in.ProductCodes), ",\n")
	field("imageId", quote(in.ImageID), ",\n")
	field("instanceId", quote(in.ID), ",\n")
	field("instanceType", quote(in.Type), ",\n")
	field("kernelId", "null", ",\n")
	field("pendingTime", quote(in.PendingTime.Format(time.RFC3339)), ",\n")
	field("privateIp", firstOrNull(in.Interfaces[0].LocalIPv4s), ",\n")
	field("ramdiskId", "null", ",\n")
	field("region", quote(in.Region), ",\n")
	field("version", quote("2017-09-30"), "\n}")
	return b.Bytes()
}

// list encodes a JSON list as the service does: [ "a", "b" ]; null for an empty one.
func list(values []string) string {
	if len(values) == 0 {
		return "null"
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return "[ " + strings.Join(quoted, ", ") + " ]"
}

// firstOrNull encodes the first value of a list; null for an empty one.
func firstOrNull(values []string) string {
	if len(values) == 0 {
		return "null"
	}
	return quote(values[0])
}

// quote encodes s as a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}
