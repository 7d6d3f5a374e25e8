package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// Module is a module type: a family of activity data that is reported together.
type Module struct {
	// ID is the module_type_id.
	ID int
	// Name is the spelling in commands, permissions and metrics, for example "professional_travel".
	Name string
	// DataEntryTypes are the kinds of rows it consists of.
	DataEntryTypes []DataEntryType
	// EmissionRoots are the emission types whose subtrees make up its statistics. They
	// never overlap: the original names 60300 beside 60000, which contains it, and so
	// counts embodied energy twice.
	EmissionRoots []int
}

// Modules returns every module type by ascending id.
func Modules() []Module {
	return []Module{
		newModule(1, "headcount", []int{10000, 20000, 30000},
			DataEntryType{ID: 1, Name: "member"},
			DataEntryType{ID: 2, Name: "student"}),
		newModule(2, "professional_travel", []int{50000},
			DataEntryType{ID: 20, Name: "plane", calculation: &plane},
			DataEntryType{ID: 21, Name: "train"}),
		newModule(3, "buildings", []int{60000},
			DataEntryType{ID: 30, Name: "building"},
			DataEntryType{ID: 31, Name: "energy_combustion", calculation: &combustion},
			DataEntryType{ID: 32, Name: "building_embodied_energy"}),
		newModule(4, "equipment", []int{80000},
			DataEntryType{ID: 10, Name: "scientific", calculation: &scientificEquipment},
			DataEntryType{ID: 11, Name: "it", calculation: &itEquipment},
			DataEntryType{ID: 12, Name: "other", calculation: &otherEquipment}),
		newModule(5, "purchases", []int{90000},
			DataEntryType{ID: 60, Name: "scientific_equipment"},
			DataEntryType{ID: 61, Name: "it_equipment"},
			DataEntryType{ID: 62, Name: "consumable_accessories"},
			DataEntryType{ID: 63, Name: "biological_chemical_gaseous_product"},
			DataEntryType{ID: 64, Name: "services"},
			DataEntryType{ID: 65, Name: "vehicles"},
			DataEntryType{ID: 66, Name: "other_purchases"},
			DataEntryType{ID: 67, Name: "additional_purchases"}),
		newModule(6, "research_facilities", []int{100000},
			DataEntryType{ID: 70, Name: "research_facilities"},
			DataEntryType{ID: 71, Name: "mice_and_fish_animal_facilities"}),
		newModule(7, "external_cloud_and_ai", []int{110000},
			DataEntryType{ID: 40, Name: "external_clouds"},
			DataEntryType{ID: 41, Name: "external_ai"}),
		newModule(8, "process_emissions", []int{70000},
			DataEntryType{ID: 50, Name: "process_emissions", calculation: &process}),
	}
}

func newModule(id int, name string, roots []int, types ...DataEntryType) Module {
	for i := range types {
		types[i].ModuleID = id
	}
	return Module{ID: id, Name: name, DataEntryTypes: types, EmissionRoots: roots}
}

// ModuleByID returns the module type with this module_type_id.
func ModuleByID(id int) (Module, bool) {
	for _, m := range Modules() {
		if m.ID == id {
			return m, true
		}
	}
	return Module{}, false
}

// ModuleName is the name of the module type, or its number where the catalogue has none.
func ModuleName(id int) string {
	if m, known := ModuleByID(id); known {
		return m.Name
	}
	return strconv.Itoa(id)
}

// ModuleByName returns the module type with this exact name.
func ModuleByName(name string) (Module, bool) {
	for _, m := range Modules() {
		if m.Name == name {
			return m, true
		}
	}
	return Module{}, false
}

// ParseModule reads a module type as an operator names it: by name or by id.
func ParseModule(text string) (Module, error) {
	var choices []string
	for _, m := range Modules() {
		if text == m.Name || text == strconv.Itoa(m.ID) {
			return m, nil
		}
		choices = append(choices, fmt.Sprintf("%s (%d)", m.Name, m.ID))
	}
	return Module{}, fmt.Errorf("module type %q: there is none; choose one of %s", text, strings.Join(choices, ", "))
}
