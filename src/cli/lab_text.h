// SPDX-License-Identifier: Apache-2.0
// A little of what people write, to score sizes on where nothing else is given: enough to see which
// sizes are broken, too little to choose by.
#pragma once

namespace gemma3n::cli {

inline constexpr char kLabText[] =
    R"(The harbour lay still in the early light. Two men were mending a net on the quay, and neither spoke
until the sun had come over the roofs of the warehouses. Then the older one put down his needle, looked
at the water and said that the wind would turn before noon. He was usually right about the wind.

To make bread, mix 500 grams of flour with 350 grams of water, 10 grams of salt and 5 grams of dry yeast.
Knead the dough for ten minutes, until it is smooth and no longer sticks to your hands. Let it rise in a
warm place until it has doubled in size, which takes about an hour and a half. Shape it into a loaf, let
it rest for another thirty minutes and bake it at 230 degrees for thirty-five minutes.

Question: A train leaves at 9:40 and arrives at 12:05. How long does the journey take?
Answer: From 9:40 to 12:00 are two hours and twenty minutes. With five more minutes, the journey takes two
hours and twenty-five minutes.

Water boils at 100 degrees Celsius at the pressure of the sea level. High in the mountains the pressure of
the air is lower, and so water boils at a lower temperature: at about 90 degrees at 3000 metres. This is
why it takes longer to cook an egg on a mountain.

def mean(values):
    """Return the arithmetic mean of a list of numbers."""
    if not values:
        raise ValueError("mean of an empty list")
    return sum(values) / len(values)

for name in sorted(scores):
    print(f"{name}: {mean(scores[name]):.2f}")

Dear Ms. Okafor, thank you for your letter of 3 March. We have looked into your complaint and found that
the parcel was delivered to the wrong address. A new one has been sent to you today and should arrive
within three working days. Please accept our apologies for the delay.

Am Abend saß die ganze Familie um den Tisch. Die Großmutter erzählte von dem Winter, in dem der See
zugefroren war und die Kinder auf Schlittschuhen zur Schule fuhren. Niemand wusste, ob die Geschichte
stimmte, aber alle hörten gerne zu.

Le marché ouvre à sept heures. On y trouve des pommes, des poires, du fromage de chèvre et du pain frais.
Si vous venez tôt, vous aurez le choix; si vous venez tard, vous aurez de meilleurs prix.

La biblioteca está al final de la calle, junto al parque. Abre de lunes a viernes, de diez a ocho, y los
sábados por la mañana. Para llevarse un libro hace falta un carné, que es gratuito.

The three laws are short. A body on which no force acts keeps its velocity. The change of momentum of a
body is proportional to the force and happens in its direction. To every action there is an equal and
opposite reaction. From these, and from the law of gravitation, follow the orbits of the planets, the tides
and the path of a thrown stone.

"Have you seen my keys?" she asked. "They were on the table this morning," he said, "beside the newspaper."
She looked under the newspaper. There was a letter, a pencil and half an apple, but no keys. "Perhaps they
are in your coat," he said, and there they were.
)";

}  // namespace gemma3n::cli
