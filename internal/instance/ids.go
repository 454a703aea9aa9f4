package instance

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"net"
	"time"
)

// draw makes 32 bytes out of what something is for and what it belongs to.
func draw(purpose, owner string) [sha256.Size]byte {
	return sha256.Sum256([]byte(purpose + " " + owner))
}

// hexID is an id as EC2 makes them: a prefix and 17 hexadecimal digits.
func hexID(prefix, owner string) string {
	sum := draw(prefix, owner)
	return prefix + hex.EncodeToString(sum[:])[:17]
}

// mac is a hardware address as EC2 gives them: locally administered, beginning with 02, 06 or 0a.
func mac(owner string) string {
	sum := draw("mac", owner)
	address := append(net.HardwareAddr{[]byte{0x02, 0x06, 0x0a}[sum[0]%3]}, sum[1:6]...)
	return address.String()
}

// profileID is the id of an instance profile: AIPA and 17 characters of base32, as IAM makes ids.
func profileID(profileARN string) string {
	sum := draw("instance profile", profileARN)
	return "AIPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// pendingTime is the configured launch time or a second of the year 2025 drawn from the instance id: in the past, and the
// same from run to run, as for an instance that was never stopped. The configuration's is validated RFC 3339.
func pendingTime(configured, instanceID string) time.Time {
	if t, err := time.Parse(time.RFC3339, configured); err == nil {
		return t.UTC().Truncate(time.Second)
	}
	const secondsOfYear = 365 * 24 * 60 * 60
	sum := draw("pending_time", instanceID)
	offset := binary.BigEndian.Uint64(sum[:]) % secondsOfYear
	return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(offset) * time.Second)
}
