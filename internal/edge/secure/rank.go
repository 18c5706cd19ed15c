package secure

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
)

// hash ranks the hash of a signature: MD5, SHA-1, and then by length.
func hash(a x509.SignatureAlgorithm) int64 {
	switch a {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return 1
	case x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256, x509.DSAWithSHA256:
		return 256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return 384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return 512
	}
	return 0
}

// length is how many bits a certificate's key has.
func length(c *x509.Certificate) int64 {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return int64(k.N.BitLen())
	case *ecdsa.PublicKey:
		return int64(k.Curve.Params().BitSize)
	}
	return 0
}
