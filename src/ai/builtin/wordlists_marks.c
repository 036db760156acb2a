#include "entities.h"
#include "lexicon.h"
#include "wordlists.h"

const struct lam_words lam_words_flags[] = {
    {LAM_LEX_NEGATION,
     "not no never none nobody nothing neither nor nowhere cannot can't won't don't doesn't didn't isn't aren't wasn't weren't hasn't "
     "haven't hadn't wouldn't shouldn't couldn't mustn't needn't ain't without hardly barely scarcely rarely seldom lacks lacking lack "
     "failed fails nicht kein keine keinen keiner nie niemals ohne pas jamais aucun aucune sans non mai niente nunca jamás tampoco sin "
     "não nem niet geen nooit"},
    {LAM_LEX_CONTRAST,
     "but however yet although though nevertheless nonetheless whereas despite aber jedoch trotzdem mais cependant pourtant pero aunque "
     "mas porém ma però maar"},
    {LAM_LEX_ABBREVIATION,
     "mr mrs ms dr prof sr jr st mt rev hon gen col lt sgt capt gov sen rep pres adm maj supt det inc ltd corp co llc plc vs etc eg ie "
     "cf al approx dept est fig figs no nos vol vols pp pg ed eds ch sec art para eq ref jan feb mar apr jun jul aug sep sept oct nov "
     "dec mon tue tues wed thu thur thurs fri sat sun ave blvd rd hwy ft oz lb lbs min max avg tel ext univ assn bros mfg ph calif ariz "
     "ala conn fla ill ind kan mass mich minn miss mont neb nev okla ore pa tenn tex va vt wash wis wyo ky ga md cal colo del bzw ca "
     "evtl ggf inkl usw vgl nr str hr frau abs bd hrsg sog mme mlle mm av bd env ex sra srta dña núm pág ud uds dott sig sigg ecc pag "
     "tzn np tj ul prof mgr ing resp např atd tzv osv kl"},
    {LAM_LEX_TIME,
     "in last next this weekend quarter hour hours minute minutes yesterday today tonight tomorrow gestern heute übermorgen vorgestern hier aujourd'hui demain ayer hoy "
     "mañana yesterday's today's tonight's tomorrow's monday tuesday wednesday thursday friday saturday sunday monday's "
     "tuesday's wednesday's thursday's friday's saturday's sunday's montag dienstag mittwoch donnerstag freitag samstag "
     "sonntag"},
    {LAM_LEX_NUMBER,
     "a an one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty ninety "
     "hundred"},
    {LAM_LEX_FILLER,
     "said says say told according also one two three four five six seven eight nine ten new make made makes get gets got go goes going "
     "went come comes came take takes took use used uses using know known see seen way ways thing things lot year years month months "
     "week weeks day days time times today yesterday tomorrow monday tuesday wednesday thursday friday saturday sunday january february "
     "march april june july august september october november december first second last next good well back even want wants wanted need "
     "needs please thank thanks would could etc dear hello hi sincerely regards yes okay ok people another around among really http "
     "https www com org html htm"},
    {0, NULL},
};

const struct lam_words lam_words_boost[] = {
    {29,
     "absolutely amazingly awfully completely considerably decidedly deeply enormously entirely especially exceptionally extremely "
     "fabulously fully greatly highly hugely incredibly intensely majorly more most particularly purely quite really remarkably so "
     "substantially thoroughly totally tremendously truly uber unbelievably unusually utterly very too sehr äußerst wirklich besonders "
     "völlig total très vraiment extrêmement trop muy realmente extremadamente demasiado molto davvero estremamente muito realmente heel "
     "erg zeer"},
    {-29,
     "almost partly fairly somewhat slightly marginally occasionally little kinda sorta mildly moderately less relatively etwas ziemlich "
     "peu assez poco algo abbastanza pouco beetje"},
    {0, NULL},
};

const struct lam_words lam_words_months[] = {
    {1, "january jan januar janvier enero gennaio januari janeiro"},
    {2, "february feb februar février febrero febbraio februari fevereiro"},
    {3, "märz marzo maart março"},
    {103, "march mar mars"},
    {4, "april apr avril abril aprile"},
    {5, "mai mayo maggio mei maio"},
    {105, "may"},
    {6, "june jun juni juin junio giugno junho"},
    {7, "july jul juli juillet julio luglio julho"},
    {8, "august aug août agosto augustus"},
    {9, "september sep sept septembre septiembre settembre setembro"},
    {10, "october oct oktober okt octobre octubre ottobre outubro"},
    {11, "november nov novembre noviembre novembro"},
    {12, "december dec dezember dez décembre diciembre dicembre dezembro"},
    {0, NULL},
};

const struct lam_words lam_words_currencies[] = {
    {LAM_CURRENCY_USD, "usd dollar dollars"},
    {LAM_CURRENCY_EUR, "eur euro euros"},
    {LAM_CURRENCY_GBP, "gbp sterling"},
    {LAM_CURRENCY_JPY, "jpy yen"},
    {LAM_CURRENCY_CHF, "chf francs franken"},
    {LAM_CURRENCY_CNY, "cny rmb yuan renminbi"},
    {LAM_CURRENCY_INR, "inr rupees rupee"},
    {LAM_CURRENCY_CAD, "cad"},
    {LAM_CURRENCY_AUD, "aud"},
    {LAM_CURRENCY_SEK, "sek"},
    {LAM_CURRENCY_NOK, "nok"},
    {LAM_CURRENCY_DKK, "dkk"},
    {LAM_CURRENCY_PLN, "pln zloty złoty złotych"},
    {LAM_CURRENCY_RUB, "rub rubles roubles"},
    {LAM_CURRENCY_KRW, "krw won"},
    {LAM_CURRENCY_BRL, "brl reais"},
    {LAM_CURRENCY_MXN, "mxn pesos"},
    {LAM_CURRENCY_ZAR, "zar rand"},
    {LAM_CURRENCY_CZK, "czk"},
    {LAM_CURRENCY_HUF, "huf forint"},
    {LAM_CURRENCY_TRY, "try lira"},
    {LAM_CURRENCY_CENT, "cents cent"},
    {0, NULL},
};

const struct lam_words lam_words_scales[] = {
    {3, "thousand k tausend mille mil"},
    {6, "million millions mn mio millionen millones milioni milhões"},
    {9, "billion billions bn mrd milliarde milliarden milliard milliards"},
    {12, "trillion trillions tn"},
    {0, NULL},
};
