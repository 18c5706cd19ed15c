package secure_test

import (
	"crypto/tls"
	"testing"

	"github.com/skylift/skylift/internal/edge/secure"
)

func TestSuiteName(t *testing.T) {
	t.Parallel()
	for id, want := range map[uint16]string{
		tls.TLS_AES_128_GCM_SHA256:                      "TLS_AES_128_GCM_SHA256",
		tls.TLS_CHACHA20_POLY1305_SHA256:                "TLS_CHACHA20_POLY1305_SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:     "ECDHE-ECDSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:       "ECDHE-RSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256:       "ECDHE-RSA-AES128-SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:          "ECDHE-RSA-AES256-SHA",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256:             "AES128-GCM-SHA256",
		tls.TLS_RSA_WITH_AES_256_CBC_SHA:                "AES256-SHA",
	} {
		if got := secure.SuiteName(id); got != want {
			t.Errorf("%s: got %s, want %s", tls.CipherSuiteName(id), got, want)
		}
	}
}
