package bundle

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"
)

// Names returns the names that a certificate is for, without repetitions: those of its
// extension, or else the common name.
func Names(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// Serial is a certificate's serial number in ACM's form: pairs of hexadecimal digits.
func Serial(c *x509.Certificate) string {
	b := c.SerialNumber.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	pairs := make([]string, len(b))
	for i, x := range b {
		pairs[i] = fmt.Sprintf("%02x", x)
	}
	return strings.Join(pairs, ":")
}

// Signature names the algorithm of a certificate's signature in ACM's form.
func Signature(c *x509.Certificate) string {
	hash, with, ok := strings.Cut(c.SignatureAlgorithm.String(), "-")
	if !ok {
		return strings.ToUpper(hash)
	}
	if with, _, pss := strings.Cut(with, "PSS"); pss { // SHA256-RSAPSS
		return hash + "WITH" + with + "ANDMGF1"
	}
	if strings.HasPrefix(with, "SHA") { // ECDSA-SHA256
		hash, with = with, hash
	}
	return hash + "WITH" + with
}

var usages = []struct {
	bit  x509.KeyUsage
	name types.KeyUsageName
}{
	{x509.KeyUsageDigitalSignature, types.KeyUsageNameDigitalSignature},
	{x509.KeyUsageContentCommitment, types.KeyUsageNameNonRepudation},
	{x509.KeyUsageKeyEncipherment, types.KeyUsageNameKeyEncipherment},
	{x509.KeyUsageDataEncipherment, types.KeyUsageNameDataEncipherment},
	{x509.KeyUsageKeyAgreement, types.KeyUsageNameKeyAgreement},
	{x509.KeyUsageCertSign, types.KeyUsageNameCertificateSigning},
	{x509.KeyUsageCRLSign, types.KeyUsageNameCrlSigning},
	{x509.KeyUsageEncipherOnly, types.KeyUsageNameEnchiperOnly},
	{x509.KeyUsageDecipherOnly, types.KeyUsageNameDecipherOnly},
}

// KeyUsages returns what a certificate's key is for.
func KeyUsages(c *x509.Certificate) (names []types.KeyUsageName) {
	for _, u := range usages {
		if c.KeyUsage&u.bit != 0 {
			names = append(names, u.name)
		}
	}
	return names
}

var extended = map[string]types.ExtendedKeyUsageName{
	"1.3.6.1.5.5.7.3.1": types.ExtendedKeyUsageNameTlsWebServerAuthentication,
	"1.3.6.1.5.5.7.3.2": types.ExtendedKeyUsageNameTlsWebClientAuthentication,
	"1.3.6.1.5.5.7.3.3": types.ExtendedKeyUsageNameCodeSigning,
	"1.3.6.1.5.5.7.3.4": types.ExtendedKeyUsageNameEmailProtection,
	"1.3.6.1.5.5.7.3.5": types.ExtendedKeyUsageNameIpsecEndSystem,
	"1.3.6.1.5.5.7.3.6": types.ExtendedKeyUsageNameIpsecTunnel,
	"1.3.6.1.5.5.7.3.7": types.ExtendedKeyUsageNameIpsecUser,
	"1.3.6.1.5.5.7.3.8": types.ExtendedKeyUsageNameTimeStamping,
	"1.3.6.1.5.5.7.3.9": types.ExtendedKeyUsageNameOcspSigning,
	"2.5.29.37.0":       types.ExtendedKeyUsageNameAny,
}

var extendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// ExtendedKeyUsages returns the purposes that a certificate names.
func ExtendedKeyUsages(c *x509.Certificate) (all []types.ExtendedKeyUsage) {
	for _, x := range c.Extensions {
		var oids []asn1.ObjectIdentifier
		if !x.Id.Equal(extendedKeyUsage) {
			continue
		}
		if _, err := asn1.Unmarshal(x.Value, &oids); err != nil {
			continue // the certificate was parsed: it has no such extension
		}
		for _, oid := range oids {
			name, known := extended[oid.String()]
			if !known {
				name = types.ExtendedKeyUsageNameCustom
			}
			all = append(all, types.ExtendedKeyUsage{Name: name, OID: new(oid.String())})
		}
	}
	return all
}
