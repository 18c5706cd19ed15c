package zones

import "math"

// place is where a region is, in degrees, as roughly as choosing the nearest one needs.
type place struct{ north, east float64 }

// places are the cities that AWS names its regions after.
var places = map[string]place{
	"af-south-1": {-33.9, 18.4}, "ap-east-1": {22.3, 114.2}, "ap-east-2": {25.0, 121.5}, "ap-northeast-1": {35.7, 139.7},
	"ap-northeast-2": {37.6, 127.0}, "ap-northeast-3": {34.7, 135.5}, "ap-south-1": {19.1, 72.9}, "ap-south-2": {17.4, 78.5},
	"ap-southeast-1": {1.4, 103.8}, "ap-southeast-2": {-33.9, 151.2}, "ap-southeast-3": {-6.2, 106.8}, "ap-southeast-4": {-37.8, 145.0},
	"ap-southeast-5": {3.1, 101.7}, "ap-southeast-6": {-36.8, 174.8}, "ap-southeast-7": {13.8, 100.5}, "ca-central-1": {45.5, -73.6},
	"ca-west-1": {51.0, -114.1}, "cn-north-1": {39.9, 116.4}, "cn-northwest-1": {38.5, 106.2}, "eu-central-1": {50.1, 8.7},
	"eu-central-2": {47.4, 8.5}, "eu-north-1": {59.3, 18.1}, "eu-south-1": {45.5, 9.2}, "eu-south-2": {41.6, -0.9}, "eu-west-1": {53.3, -6.3},
	"eu-west-2": {51.5, -0.1}, "eu-west-3": {48.9, 2.4}, "eusc-de-east-1": {52.4, 13.1}, "il-central-1": {32.1, 34.8}, "me-central-1": {25.2, 55.3},
	"me-south-1": {26.1, 50.6}, "mx-central-1": {20.6, -100.4}, "sa-east-1": {-23.6, -46.6}, "us-east-1": {38.9, -77.4},
	"us-east-2": {40.0, -83.0}, "us-gov-east-1": {40.0, -83.0}, "us-gov-west-1": {45.6, -122.7}, "us-west-1": {37.4, -121.9}, "us-west-2": {45.6, -122.7},
}

// distance is how far two regions are apart, as an angle; a region that isn't known is farthest.
func distance(a, b string) float64 {
	if a == b {
		return 0
	}
	p, ok := places[a]
	q, there := places[b]
	if !ok || !there {
		return 2 * math.Pi
	}
	const degree = math.Pi / 180
	h := half(p.north-q.north) + math.Cos(p.north*degree)*math.Cos(q.north*degree)*half(p.east-q.east)
	return 2 * math.Asin(math.Sqrt(h))
}

// half is the haversine of an angle in degrees.
func half(degrees float64) float64 { s := math.Sin(degrees * math.Pi / 360); return s * s }
