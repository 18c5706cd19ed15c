package secure

import (
	"crypto/tls"
	"strings"
)

// VersionName is a version's name in OpenSSL.
func VersionName(version uint16) string {
	switch version {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	}
	return "TLSv1.3"
}

// GroupName is the name of a group that keys were exchanged in; "": they weren't.
func GroupName(id tls.CurveID) string {
	switch id {
	case 0:
		return ""
	case tls.CurveP256:
		return "secp256r1"
	case tls.CurveP384:
		return "secp384r1"
	case tls.CurveP521:
		return "secp521r1"
	case tls.X25519:
		return "x25519"
	}
	return id.String()
}

var inOpenSSL = strings.NewReplacer("AES_128", "AES128", "AES_256", "AES256", "_CBC", "", "POLY1305_SHA256", "POLY1305", "_", "-")

// SuiteName is a cipher's name in OpenSSL.
func SuiteName(id uint16) string {
	name := tls.CipherSuiteName(id)
	exchange, cipher, ok := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	switch {
	case !ok:
		return name // of TLS 1.3
	case exchange == "RSA":
		return inOpenSSL.Replace(cipher)
	}
	return inOpenSSL.Replace(exchange + "_" + cipher)
}
