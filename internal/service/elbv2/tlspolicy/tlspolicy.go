// Package tlspolicy has the security policies of load balancers: which versions of
// TLS and which ciphers each allows, as AWS lists them, and what of that Go's TLS
// does (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html).
package tlspolicy

import (
	"crypto/tls"
	"slices"
	"strings"
)

// Default is the policy of a listener that names none.
const Default = prefix + "2016-08"

const prefix = "ELBSecurityPolicy-"

// Policy is a security policy.
type Policy struct {
	Name      string
	Protocols []string // the newest first
	Ciphers   []string // by their names in OpenSSL, in the server's order
	// Unserved says why listeners can't have the policy here; "" when they can.
	Unserved string

	postQuantum bool
}

// Why policies are not served.
const (
	noFIPS = "it promises a FIPS 140-3 module, which Skylift does not run on"
)

// suites are Go's ids of the ciphers. Of OpenSSL's ECDHE-ECDSA-AES256-SHA384,
// ECDHE-RSA-AES256-SHA384 and AES256-SHA256 Go has none: a listener does without.
var suites = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES128-SHA256":     tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-RSA-AES128-SHA256":       tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES128-SHA256":                 tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

var versions = map[string]uint16{
	"TLSv1.3": tls.VersionTLS13, "TLSv1.2": tls.VersionTLS12, "TLSv1.1": tls.VersionTLS11, "TLSv1": tls.VersionTLS10,
}

// All returns every policy, in AWS's order.
func All() []Policy { return all }

// Find returns the policy of a name.
func Find(name string) (Policy, bool) {
	i := slices.IndexFunc(all, func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return Policy{}, false
	}
	return all[i], true
}

// Versions returns the oldest and the newest version of TLS, as crypto/tls has them.
func (p Policy) Versions() (oldest, newest uint16) {
	return versions[p.Protocols[len(p.Protocols)-1]], versions[p.Protocols[0]]
}

// Suites returns the ciphers for TLS 1.2 and older, as crypto/tls has them. Those of
// TLS 1.3 aren't chosen.
func (p Policy) Suites() (ids []uint16) {
	for _, c := range p.Ciphers {
		if id, ok := suites[c]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// Groups returns the groups for the key exchange, as crypto/tls has them.
func (p Policy) Groups() []tls.CurveID {
	classical := []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	if p.postQuantum {
		return append([]tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}, classical...)
	}
	return classical
}

// Name is the name that OpenSSL, and so AWS, has for a cipher of crypto/tls; "" for one that no policy has.
func Name(suite uint16) string {
	for name, id := range suites {
		if id == suite {
			return name
		}
	}
	if suite >= tls.TLS_AES_128_GCM_SHA256 && suite <= tls.TLS_CHACHA20_POLY1305_SHA256 {
		return tls.CipherSuiteName(suite)
	}
	return ""
}

// Protocol is the name that AWS has for a version of crypto/tls.
func Protocol(version uint16) string {
	for name, id := range versions {
		if id == version {
			return name
		}
	}
	return ""
}

func words(lists ...string) (all []string) {
	for _, l := range lists {
		all = append(all, strings.Fields(l)...)
	}
	return all
}
