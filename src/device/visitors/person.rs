//! Who a person is: every trait of the body and of dress, from one seed.
//!
//! Owns: the traits and how they are distributed. Does not own: how they are drawn.
//! Invariants: one seed, one person, on every machine; lengths are centimetres, colours amounts of light of 0 to 1.
//! Nobody is depicted: the traits are drawn from a generator, not measured on people.

use super::maths::{Dice, V3, mix, mix3, scale, srgb};

/// How the hair is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// None, or shaved.
    Bald,
    /// A few millimetres.
    Cropped,
    /// Short at the sides, longer above.
    Short,
    /// Parted at one side and combed over.
    Parted,
    /// Combed to the back.
    Swept,
    /// Short with a fringe over the forehead.
    Fringe,
    /// Tight curls.
    Curls,
    /// To the chin.
    Bob,
    /// To the shoulders and beyond.
    Long,
    /// Tied at the back.
    Tied,
}

/// How the beard is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beard {
    /// None.
    None,
    /// A day or three.
    Stubble,
    /// On the upper lip.
    Moustache,
    /// Around the mouth and on the chin.
    Goatee,
    /// From ear to ear.
    Full,
}

/// The rims before the eyes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glasses {
    /// Half the width and half the height of a lens.
    pub(super) half: [f32; 2],
    /// 0: a diamond's way to a circle; 1: a box.
    pub(super) square: f32,
    /// Thickness of the rim.
    pub(super) rim: f32,
    pub(super) colour: V3,
}

/// One person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) seed: u64,
    /// 0 for a man, 1 for a woman, as far as shapes go.
    pub(super) female: f32,
    /// 0 at twenty years, 1 at seventy.
    pub(super) age: f32,
    pub(super) skin: V3,
    /// How fair: 0 the darkest, 1 the fairest.
    pub(super) fair: f32,
    pub(super) blush: f32,
    pub(super) freckles: f32,
    pub(super) moles: u32,
    pub(super) wide: f32,
    pub(super) jaw: f32,
    pub(super) chin: f32,
    pub(super) chin_out: f32,
    pub(super) long: f32,
    pub(super) fat: f32,
    pub(super) cheekbone: f32,
    pub(super) brow_ridge: f32,
    pub(super) forehead: f32,
    pub(super) eye_x: f32,
    pub(super) eye_wide: f32,
    pub(super) eye_open: f32,
    pub(super) eye_tilt: f32,
    pub(super) eye_deep: f32,
    pub(super) lid_fold: f32,
    pub(super) iris: V3,
    pub(super) brow_y: f32,
    pub(super) brow_thick: f32,
    pub(super) brow_arch: f32,
    pub(super) brow_tilt: f32,
    pub(super) brow_length: f32,
    pub(super) brow_gap: f32,
    pub(super) nose_long: f32,
    pub(super) nose_wide: f32,
    pub(super) nose_out: f32,
    pub(super) nose_hump: f32,
    pub(super) nose_bridge: f32,
    pub(super) nose_tip: f32,
    pub(super) mouth_y: f32,
    pub(super) mouth_wide: f32,
    pub(super) lip_upper: f32,
    pub(super) lip_lower: f32,
    pub(super) lips: V3,
    pub(super) smile: f32,
    pub(super) ear: f32,
    pub(super) ear_out: f32,
    pub(super) style: Style,
    pub(super) hair: V3,
    pub(super) hairline: f32,
    pub(super) volume: f32,
    pub(super) beard: Beard,
    pub(super) beard_colour: V3,
    pub(super) glasses: Option<Glasses>,
    pub(super) cloth: V3,
    pub(super) cloth_under: V3,
    pub(super) collar: u32,
    pub(super) shoulders: f32,
    pub(super) neck: f32,
}

const SKINS: [V3; 7] = [
    [0.052, 0.025, 0.015],
    [0.105, 0.048, 0.027],
    [0.215, 0.105, 0.056],
    [0.360, 0.190, 0.110],
    [0.520, 0.310, 0.200],
    [0.640, 0.420, 0.310],
    [0.720, 0.500, 0.400],
];

impl Person {
    pub(super) fn new(seed: u64) -> Self {
        let mut d = Dice::new(seed ^ 0x7669_7369_746f_7273);
        let female = f32::from(u8::from(d.chance(0.5)));
        let age = d.unit() * d.range(0.6, 1.0);
        let fair = d.unit();
        let at = fair * (SKINS.len() - 1) as f32;
        let i = (at as usize).min(SKINS.len() - 2);
        let tint = d.spread() * 0.06;
        let skin = mix3(SKINS[i], SKINS[i + 1], at - i as f32);
        let skin = [skin[0] * (1.0 + tint), skin[1], skin[2] * (1.0 - 2.0 * tint)];
        let dark = 1.0 - fair;
        let hair = hair_colour(&mut d, fair, age);
        let style = style(&mut d, female > 0.5, age, fair);
        let beard = if female > 0.5 {
            Beard::None
        } else {
            [
                Beard::None,
                Beard::None,
                Beard::Stubble,
                Beard::Moustache,
                Beard::Goatee,
                Beard::Full,
                Beard::Full,
            ][d.pick(7)]
        };
        let iris = if fair > 0.55 {
            [srgb(96, 130, 160), srgb(110, 130, 95), srgb(120, 140, 150), srgb(92, 66, 40), srgb(70, 48, 30)]
                [d.pick(5)]
        } else {
            [srgb(62, 40, 24), srgb(45, 29, 19), srgb(78, 52, 30)][d.pick(3)]
        };
        let broad = d.spread();
        let lips = mix3(
            [skin[0] * 0.82, skin[1] * 0.52, skin[2] * 0.55],
            [skin[0] * 0.75 + 0.05, skin[1] * 0.28, skin[2] * 0.32],
            female * d.unit(),
        );
        let man = 1.0 - female;
        Self {
            seed,
            female,
            age,
            skin,
            fair,
            blush: d.range(0.2, 1.0),
            freckles: if fair > 0.6 && d.chance(0.35) { d.range(0.3, 1.0) } else { 0.0 },
            moles: d.pick(5) as u32,
            wide: 1.0 + 0.065 * broad - 0.03 * female,
            jaw: 1.0 + 0.13 * d.spread() - 0.06 * female + 0.03 * broad,
            chin: 1.0 + 0.2 * d.spread() - 0.1 * female,
            chin_out: 0.45 * d.spread(),
            long: 1.0 + 0.055 * d.spread(),
            fat: 0.75 * d.spread() + 0.15 * age,
            cheekbone: 0.5 + 0.55 * d.spread() + 0.2 * female,
            brow_ridge: man * d.range(0.35, 0.9) + female * d.range(0.0, 0.25),
            forehead: 0.35 * d.spread(),
            eye_x: 3.15 + 0.33 * d.spread() - 0.08 * female,
            eye_wide: 1.48 + 0.18 * d.spread() + 0.06 * female,
            eye_open: 0.49 + 0.14 * d.spread() + 0.05 * female - 0.06 * age,
            eye_tilt: 0.06 + 0.19 * d.spread(),
            eye_deep: 0.45 * d.spread() + 0.1 * age,
            lid_fold: d.unit(),
            iris,
            brow_y: 1.95 + 0.40 * d.spread() + 0.2 * female,
            brow_thick: mix(0.50, 0.34, female) * (1.0 + 0.5 * d.spread()),
            brow_arch: mix(0.15, 0.4, female) + 0.34 * d.spread(),
            brow_tilt: 0.18 * d.spread(),
            brow_length: 2.15 + 0.25 * d.spread(),
            brow_gap: 1.2 + 0.42 * d.spread(),
            nose_long: 4.4 + 0.56 * d.spread() - 0.2 * female,
            nose_wide: 1.0 + 0.21 * d.spread() + 0.26 * dark - 0.06 * female,
            nose_out: 0.92 + 0.18 * d.spread() - 0.1 * female - 0.1 * dark,
            nose_hump: 0.28 * d.spread() - 0.08 * female,
            nose_bridge: 0.95 + 0.24 * d.spread(),
            nose_tip: 1.0 + 0.3 * d.spread(),
            mouth_y: -7.2 + 0.36 * d.spread(),
            mouth_wide: 2.5 + 0.35 * d.spread() - 0.1 * female,
            lip_upper: 0.52 + 0.22 * d.spread() + 0.16 * dark + 0.08 * female - 0.12 * age,
            lip_lower: 0.68 + 0.22 * d.spread() + 0.16 * dark + 0.06 * female - 0.12 * age,
            lips,
            smile: 0.24 + 0.26 * d.spread(),
            ear: 1.0 + 0.1 * d.spread(),
            ear_out: d.range(0.25, 0.75),
            style,
            hair,
            hairline: 6.6 + 0.7 * d.spread() + man * age * 1.6,
            volume: d.range(0.6, 1.5),
            beard,
            beard_colour: mix3(hair, srgb(150, 148, 145), age * d.unit() * 0.8),
            glasses: d.chance(0.33).then(|| glasses(&mut d)),
            cloth: scale(CLOTH[d.pick(CLOTH.len())], d.range(0.8, 1.2)),
            cloth_under: CLOTH[d.pick(CLOTH.len())],
            collar: d.pick(4) as u32,
            shoulders: mix(21.5, 18.5, female) * (1.0 + 0.05 * d.spread()),
            neck: mix(5.9, 4.9, female) * (1.0 + 0.06 * d.spread()),
        }
    }
}

const CLOTH: [V3; 12] = [
    [0.020, 0.024, 0.035],
    [0.030, 0.050, 0.110],
    [0.200, 0.210, 0.220],
    [0.550, 0.560, 0.560],
    [0.240, 0.030, 0.030],
    [0.030, 0.110, 0.070],
    [0.350, 0.260, 0.140],
    [0.080, 0.060, 0.050],
    [0.090, 0.190, 0.330],
    [0.380, 0.140, 0.200],
    [0.420, 0.330, 0.060],
    [0.055, 0.058, 0.060],
];

fn hair_colour(d: &mut Dice, fair: f32, age: f32) -> V3 {
    let own = if fair > 0.5 {
        [
            srgb(38, 28, 22),
            srgb(62, 42, 28),
            srgb(94, 66, 42),
            srgb(140, 108, 66),
            srgb(190, 160, 105),
            srgb(120, 58, 30),
        ][d.pick(6)]
    } else {
        [srgb(20, 17, 16), srgb(30, 23, 19), srgb(48, 33, 24)][d.pick(3)]
    };
    let grey = ((age - 0.45) * 2.2).clamp(0.0, 1.0) * d.range(0.3, 1.0);
    mix3(own, srgb(176, 174, 170), grey)
}

fn style(d: &mut Dice, woman: bool, age: f32, fair: f32) -> Style {
    use Style::{Bald, Bob, Cropped, Curls, Fringe, Long, Parted, Short, Swept, Tied};
    if woman {
        let curly = [Long, Bob, Tied, Fringe, Curls, Cropped];
        let straight = [Long, Long, Bob, Tied, Parted, Fringe];
        if fair < 0.3 { curly[d.pick(6)] } else { straight[d.pick(6)] }
    } else if age > 0.4 && d.chance(0.35) {
        Bald
    } else if fair < 0.3 {
        [Cropped, Cropped, Curls, Bald, Short][d.pick(5)]
    } else {
        [Short, Short, Parted, Swept, Fringe, Cropped, Curls][d.pick(7)]
    }
}

fn glasses(d: &mut Dice) -> Glasses {
    let colours = [
        [0.012, 0.012, 0.014],
        [0.09, 0.045, 0.02],
        [0.30, 0.29, 0.27],
        [0.03, 0.04, 0.09],
        [0.22, 0.03, 0.03],
    ];
    Glasses {
        half: [d.range(2.35, 2.75), d.range(1.55, 2.2)],
        square: d.unit(),
        rim: d.range(0.12, 0.34),
        colour: colours[d.pick(colours.len())],
    }
}
