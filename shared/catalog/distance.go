package catalog

import "math"

// Airport is a place that flights begin or end at, in degrees.
type Airport struct{ Latitude, Longitude float64 }

// Airports finds an airport by its IATA code. It is nil for types that need none.
type Airports func(iata string) (Airport, bool)

// earthRadiusKm is the mean radius of the earth; the original measures with it.
const earthRadiusKm = 6371.0088

// greatCircle returns the distance of two airports in whole km by the haversine
// formula, halves rounded to the even number as the original does.
func greatCircle(a, b Airport) float64 {
	rad := func(deg float64) float64 { return deg * math.Pi / 180 }
	sinLat := math.Sin((rad(b.Latitude) - rad(a.Latitude)) / 2)
	sinLon := math.Sin((rad(b.Longitude) - rad(a.Longitude)) / 2)
	h := sinLat*sinLat + math.Cos(rad(a.Latitude))*math.Cos(rad(b.Latitude))*sinLon*sinLon
	// Antipodes can come out a bit above 1.
	return math.RoundToEven(2 * earthRadiusKm * math.Asin(math.Sqrt(min(h, 1))))
}
