package tlspolicy

// The lists that policies are made of.
const (
	tls13     = "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256"
	tls13AES  = "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384"
	tls13Long = "TLS_AES_256_GCM_SHA384"
	bothLong  = "TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256"

	// ECDHE with AES-GCM, those with AES-256 alone, those with SHA-2, all (in two orders), and with keys exchanged by RSA.
	gcm     = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384"
	gcmLong = "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384"
	sha2    = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 " +
		"ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384"
	ecdheHead = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 " +
		"ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384 "
	ecdhe      = ecdheHead + "ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA"
	ecdheOther = ecdheHead + "ECDHE-RSA-AES256-SHA ECDHE-ECDSA-AES256-SHA"
	rsa        = "AES128-GCM-SHA256 AES128-SHA256 AES128-SHA AES256-GCM-SHA384 AES256-SHA256 AES256-SHA"
	rsaSHA2    = "AES128-GCM-SHA256 AES128-SHA256 AES256-GCM-SHA384 AES256-SHA256"
)

// The versions that policies allow.
var (
	only13 = []string{"TLSv1.3"}
	from12 = []string{"TLSv1.3", "TLSv1.2"}
	from11 = []string{"TLSv1.3", "TLSv1.2", "TLSv1.1"}
	from10 = []string{"TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"}
	no13   = func(versions []string) []string { return versions[1:] }
)

var all = build()

// build makes the list.
func build() (list []Policy) {
	add := func(name string, protocols []string, ciphers ...string) {
		list = append(list, Policy{Name: prefix + name, Protocols: protocols, Ciphers: words(ciphers...)})
	}
	quantum := func(name string, protocols []string, ciphers ...string) {
		add(name+"-2021-06", protocols, ciphers...)
		add(name+"-PQ-2025-09", protocols, ciphers...)
		list[len(list)-1].postQuantum = true
	}
	fips := func(name string, protocols []string, ciphers ...string) {
		add(name, protocols, ciphers...)
		list[len(list)-1].Unserved = noFIPS
	}
	quantum("TLS13-1-3", only13, tls13)
	quantum("TLS13-1-2-Res", from12, tls13, gcm)
	quantum("TLS13-1-2", from12, tls13, sha2)
	quantum("TLS13-1-2-Ext1", from12, tls13, sha2, rsaSHA2)
	quantum("TLS13-1-2-Ext2", from12, tls13, ecdhe, rsa)
	add("TLS13-1-1-2021-06", from11, tls13, ecdhe, rsa)
	quantum("TLS13-1-0", from10, tls13, ecdhe, rsa)
	add("TLS-1-2-Ext-2018-06", no13(from12), ecdhe, rsa)
	add("TLS-1-2-2017-01", no13(from12), sha2, rsaSHA2)
	add("TLS-1-1-2017-01", no13(from11), ecdhe, rsa)
	add("2016-08", no13(from10), ecdhe, rsa)
	add("2015-05", no13(from10), ecdhe, rsa)
	add("FS-1-2-Res-2020-10", no13(from12), gcm)
	add("FS-1-2-Res-2019-08", no13(from12), sha2)
	add("FS-1-2-2019-08", no13(from12), ecdheOther)
	add("FS-1-1-2019-08", no13(from11), ecdheOther)
	add("FS-2018-06", no13(from10), ecdheOther)
	for _, generation := range []string{"-FIPS-2023-04", "-FIPS-PQ-2025-09"} {
		fips("TLS13-1-3"+generation, only13, tls13AES)
		fips("TLS13-1-2-Res"+generation, from12, tls13AES, gcm)
		fips("TLS13-1-2"+generation, from12, tls13AES, sha2)
		fips("TLS13-1-2-Ext0"+generation, from12, tls13AES, ecdheOther)
		fips("TLS13-1-2-Ext1"+generation, from12, tls13AES, sha2, rsaSHA2)
		fips("TLS13-1-2-Ext2"+generation, from12, tls13AES, ecdheOther, rsa)
		if generation == "-FIPS-2023-04" {
			fips("TLS13-1-1"+generation, from11, tls13AES, ecdheOther, rsa)
		}
		fips("TLS13-1-0"+generation, from10, tls13AES, ecdheOther, rsa)
	}
	fips("TLS13-1-3-RFC9151-FIPS-2023-07", only13, tls13Long)
	fips("TLS13-1-2-RFC9151-FIPS-2023-07", from12, tls13Long, gcmLong)
	fips("TLS13-1-2-Ext0-RFC9151-FIPS-2023-07", from12, tls13Long, gcmLong, "AES256-GCM-SHA384")
	for i, more := range []string{gcm, sha2, ecdhe, ecdhe + " " + rsa} {
		fips("TLS13-1-2-RFC9151-INTEROP"+string(rune('1'+i))+"-FIPS-2023-07", from12, bothLong, more)
	}
	return list
}
